/* What the job was made of, to be read, copied, and made into a new one. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, explain, token } from "../api";
import { curl } from "../curl";
import { href } from "../router";
import type { Job } from "../types";
import { Copy } from "../ui/copy";
import { ForeignBlock } from "../ui/foreign";

export function DefinitionTab({ job }: { job: Job }) {
  const text = useSignal<string | null>(null);
  const wrong = useSignal<string | null>(null);
  const workers = job.stages.map((stage) => stage.workers).join();

  useEffect(() => {
    const stop = new AbortController();
    api.definition(job.id, stop.signal).then(
      (definition) => (text.value = JSON.stringify(definition, null, 2)),
      (error: unknown) => {
        if (!stop.signal.aborted) wrong.value = explain(error);
      },
    );
    return () => stop.abort();
  }, [job.id, workers]);

  if (wrong.value) return <p class="panel-body" role="alert">{wrong.value}</p>;
  if (text.value === null) return <div class="panel-body" aria-busy="true" />;
  const request = curl({
    url: `${location.origin}/v1/jobs`, data: text.value, token: token() !== null,
    headers: { "Content-Type": "application/json" },
  });
  return (
    <div class="panel-body">
      <div class="actions">
        <a class="button small primary" href={href(["new"], { from: job.id })}>Edit into a new job</a>
        <Copy text={text.value}>Copy</Copy>
        <Copy text={request}>Copy as curl</Copy>
      </div>
      <ForeignBlock text={text.value} label="Definition" />
    </div>
  );
}
