/* The catalogue: what there is to build pipelines with, and what each can be told. */
import { useSignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { api, explain } from "../api";
import type { Json } from "../compose/json";
import { fieldsOf, textOf, typeName, type Field } from "../compose/schema";
import { plural } from "../format";
import { watch } from "../live";
import { href, type Route } from "../router";
import type { StageKind } from "../types";
import { Foreign } from "../ui/foreign";

const threadWords: Record<string, string> = {
  serial: "one item at a time, whatever number of workers",
  parallel: "uses the processors",
  blocking: "may wait: has threads of its own",
  async: "starts something and is told when it is done",
};

function Parameter({ of }: { of: Field }) {
  return (
    <tr>
      <td data-label="parameter">
        <code><Foreign text={of.label} most={80} /></code>
        {of.required && <span class="required"> required</span>}
      </td>
      <td data-label="type">
        {typeName(of)}
        {of.choices.length > 0 && (
          <span class="choices">{of.choices.map((each) => <code key={textOf(of, each)}>{textOf(of, each)}</code>)}</span>
        )}
        {of.range && <span class="muted small block">{of.range}</span>}
      </td>
      <td data-label="default">{of.default === undefined ? <span class="muted">–</span> : <code>{JSON.stringify(of.default)}</code>}</td>
      <td data-label="meaning"><Foreign text={of.description} most={600} /></td>
    </tr>
  );
}

function Parameters({ stage }: { stage: StageKind }) {
  const fields = fieldsOf(stage.params as Json | undefined);
  if (fields.length === 0) return <p class="panel-body muted">It takes no parameters.</p>;
  return (
    <div class="table-wrap" tabIndex={0} role="region" aria-label={`Parameters of ${stage.name}`}>
      <table class="table parameters">
        <thead><tr><th scope="col">Parameter</th><th scope="col">Type</th><th scope="col">Default</th><th scope="col">Meaning</th></tr></thead>
        <tbody>{fields.map((each) => <Parameter key={each.label} of={each} />)}</tbody>
      </table>
    </div>
  );
}

function Stage({ stage }: { stage: StageKind }) {
  const threads = typeof stage.threads === "string" ? stage.threads : "";
  return (
    <article class="panel" aria-labelledby={`stage-${stage.name}`}>
      <div class="panel-head">
        <h2 id={`stage-${stage.name}`}><Foreign text={stage.name} most={80} /></h2>
        <span class={`kind ${stage.kind}`}>{stage.kind}</span>
        <span><Foreign text={stage.summary ?? ""} most={200} /></span>
        <div class="actions">
          <a class="button small" href={href(["new"], { use: stage.name })} aria-label={`Use in a new job: ${stage.name}`}>
            Use in a new job
          </a>
        </div>
      </div>
      <Parameters stage={stage} />
      <p class="stage-foot muted small">
        <span title={threadWords[threads]}>{threads}: {threadWords[threads] ?? "unknown"}</span>
        <span>version {stage.version ?? "unknown"}</span>
        <span>{typeof stage.module === "string" ? <Foreign text={stage.module} most={200} /> : "built in"}</span>
      </p>
    </article>
  );
}

function Refused({ refused }: { refused: unknown }) {
  if (!Array.isArray(refused) || refused.length === 0) return null;
  return (
    <section class="panel refused" aria-label="Modules that were not loaded">
      <div class="panel-head"><h2>{plural(refused.length, "module")} not loaded</h2></div>
      <ul class="panel-body">
        {refused.map((each, index) => (
          <li key={index}><Foreign text={typeof each === "string" ? each : JSON.stringify(each)} most={600} /></li>
        ))}
      </ul>
    </section>
  );
}

const kinds = ["source", "map", "sink"] as const;

export function StagesPage({ route }: { route: Route }) {
  const all = useSignal<StageKind[] | null>(null);
  const refused = useSignal<unknown>(null);
  const wrong = useSignal<string | null>(null);
  const [search, setSearch] = useState(route.parts[1] ?? "");
  useEffect(() => watch({
    events: null,
    pollMs: 30_000,
    async read(signal) {
      const reply = await api.stages(signal);
      all.value = reply.items;
      refused.value = reply.refused;
    },
    ended: (error) => (wrong.value = explain(error)),
  }), []);
  const words = search.toLowerCase();
  const found = (all.value ?? []).filter((each) =>
    `${each.name} ${each.kind} ${each.summary ?? ""}`.toLowerCase().includes(words));
  const sorted = found.toSorted((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
  return (
    <div class="page" aria-busy={all.value === null}>
      <div class="page-head">
        <h1>Stages</h1>
        <span class="muted">what a pipeline can be made of</span>
        <div class="actions">
          <input class="input" type="search" placeholder="Search" value={search} aria-label="Search the stages"
            onInput={(event) => setSearch(event.currentTarget.value)} />
        </div>
      </div>
      {wrong.value && <p role="alert">{wrong.value}</p>}
      <Refused refused={refused.value} />
      {sorted.map((stage) => <Stage key={stage.name} stage={stage} />)}
      {all.value !== null && sorted.length === 0 && <p class="muted">No stage is called so.</p>}
      <p class="muted small">
        More come as modules: <code>leat serve --stages DIR</code>.
      </p>
    </div>
  );
}
