import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, explain } from "../api";
import { count } from "../format";
import { watch } from "../live";
import type { Route } from "../router";
import type { Job } from "../types";
import { Foreign } from "../ui/foreign";
import { Progress } from "../ui/progress";
import { StateBadge } from "../ui/state";

export function JobPage({ id }: { id: string; route: Route }) {
  const job = useSignal<Job | null>(null);
  const wrong = useSignal<string | null>(null);

  useEffect(() => watch({
    events: `/v1/jobs/${encodeURIComponent(id)}/events`,
    async read(signal) {
      job.value = await api.job(id, signal);
    },
    event: (_, data) => (job.value = data as Job),
    ended: (error) => (wrong.value = explain(error)),
  }), [id]);

  if (wrong.value) return <div class="page"><h1>This job cannot be shown</h1><p role="alert">{wrong.value}</p></div>;
  const now = job.value;
  if (!now) return <div class="page" aria-busy="true" />;
  return (
    <div class="page">
      <h1><Foreign text={now.name || now.id} most={120} /> <StateBadge state={now.state} /></h1>
      <Progress value={now.progress} label="Progress" state={now.state} />
      <table class="table">
        <thead><tr><th>Stage</th><th class="number">Busy</th><th class="number">In</th><th class="number">Out</th><th class="number">Failed</th></tr></thead>
        <tbody>
          {now.stages.map((stage) => (
            <tr key={stage.name}>
              <td>{stage.name}</td>
              <td class="number">{stage.busy} of {stage.workers}</td>
              <td class="number">{count(stage.in)}</td>
              <td class="number">{count(stage.out)}</td>
              <td class="number">{count(stage.failed)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
