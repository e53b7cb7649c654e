/*
 * The pipeline as what it is: stages as boxes, and in front of each the queue as a channel that
 * fills. What comes in stands at its left end, what goes out at its right (on a phone: above, below).
 */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api } from "../api";
import { bytes, count, micros, percent, plural, rate, short } from "../format";
import { href } from "../router";
import { stageKinds } from "../stagekinds";
import type { Job, StageStatus } from "../types";
import { Foreign } from "../ui/foreign";
import { Stepper } from "../ui/stepper";
import { attempt } from "../ui/toast";
import { fill } from "./history";

const WORKERS_MAX = 10000;
const DOTS = 40; /* more workers than that are a bar */
const SETTLE_MS = 300; /* several clicks are one change */

function Workers({ stage }: { stage: StageStatus }) {
  const { busy, workers } = stage;
  const label = `${count(busy)} of ${plural(workers, "worker")} busy`;
  return (
    <div class="crew" role="img" aria-label={label} title={label}>
      {workers <= DOTS
        ? Array.from({ length: workers }, (_, at) => (
            <span key={at} class={at < busy ? "dot busy" : "dot"} />
          ))
        : <span class="crowd"><span style={{ width: `${(100 * busy) / workers}%` }} /></span>}
    </div>
  );
}

/* Sends the last of several quick changes; shows what is wanted until the server has it. */
function Scale({ job, stage }: { job: Job; stage: StageStatus }) {
  const wanted = useSignal<number | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const send = async (workers: number) => {
    await attempt(() => api.setWorkers(job.id, stage.name, workers));
    if (wanted.peek() === workers) wanted.value = null;
  };
  const change = (workers: number) => {
    wanted.value = workers;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void send(workers), SETTLE_MS);
  };
  return (
    <Stepper value={wanted.value ?? stage.workers} min={1} max={WORKERS_MAX}
      label={`Workers of ${stage.name}`} disabled={job.done} onChange={change} />
  );
}

function Shares({ stage }: { stage: StageStatus }) {
  const { busy, blocked, starved } = stage.time;
  const parts: [string, number, string][] = [
    ["busy", busy, "working"],
    ["blocked", blocked, "waiting for room in the next queue"],
    ["starved", starved, "waiting for items"],
  ];
  const text = parts.map(([name, share]) => `${name} ${percent(share)}`).join(", ");
  return (
    <div class="shares">
      <div class="shares-bar" role="img" aria-label={`Time: ${text}`}>
        {parts.map(([name, share, meaning]) => (
          <span key={name} class={name} style={{ width: `${share * 100}%` }}
            title={`${name} ${percent(share)}: ${meaning}`} />
        ))}
      </div>
      <div class="shares-text" aria-hidden="true">
        {parts.map(([name, share, meaning]) => (
          <span key={name} title={meaning}><i class={name} />{name}<b>{percent(share)}</b></span>
        ))}
      </div>
    </div>
  );
}

function Fact({ name, value, bad }: { name: string; value: string; bad?: boolean }) {
  return (
    <div class={bad ? "fact bad" : "fact"}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Stage({ job, stage, perSecond }: { job: Job; stage: StageStatus; perSecond: number | null }) {
  const holds = job.bottleneck === stage.name && !job.done;
  const stuck = job.stalled?.stage === stage.name;
  const kind = stageKinds.value.get(stage.use);
  const what = [stage.use !== stage.name && stage.use, kind !== "map" && kind].filter(Boolean).join(", ");
  const time = (us: number) => micros(stage.latency_us.max > 0 ? us : null);
  return (
    <li class={`flow-stage${holds ? " bottleneck" : ""}${stuck ? " stuck" : ""}`}
      aria-label={`Stage ${stage.name}`} data-stage={stage.name}>
      {stuck ? <span class="flag bad">stalled</span> : holds && <span class="flag">bottleneck</span>}
      <div class="flow-head">
        <h3><Foreign text={stage.name} most={60} /></h3>
        {!job.done && <span class="flow-rate" title="Items a second">{rate(perSecond)}</span>}
      </div>
      {what !== "" && <div class="flow-what"><Foreign text={what} most={60} /></div>}
      {job.done ? <div class="small muted">{plural(stage.workers, "worker")}</div> : (
        <>
          <div class="flow-workers">
            <Scale job={job} stage={stage} />
            <span class="small muted">{count(stage.busy)} of {count(stage.workers)} busy</span>
          </div>
          <Workers stage={stage} />
          <Shares stage={stage} />
        </>
      )}
      <dl class="facts">
        <Fact name="in" value={short(stage.in)} />
        <Fact name="out" value={short(stage.out)} />
        <Fact name="failed" value={short(stage.failed)} bad={stage.failed > 0} />
        <Fact name="p50" value={time(stage.latency_us.p50)} />
        <Fact name="p99" value={time(stage.latency_us.p99)} />
        <Fact name="max" value={time(stage.latency_us.max)} />
        {stage.filtered > 0 && <Fact name="filtered" value={short(stage.filtered)} />}
        {stage.retries > 0 && <Fact name="retries" value={short(stage.retries)} />}
      </dl>
    </li>
  );
}

/* The queue in front of a stage. */
function Channel({ stage, flows, done }: { stage: StageStatus; flows: boolean; done: boolean }) {
  const { items, bytes: size, max_items, max_bytes } = stage.queue;
  const share = fill(stage.queue);
  const said =
    `Queue in front of ${stage.name}: ${count(items)} of ${count(max_items)} items, ` +
    `${bytes(size)} of ${bytes(max_bytes)}, ${percent(share)} full`;
  const level = share >= 0.9 ? " full" : "";
  if (done) return <li class="channel out" aria-hidden="true"><div class="channel-pipe" /></li>;
  return (
    <li class={`channel${level}`} aria-label={said} title={said}>
      <span class="channel-items" aria-hidden="true">{short(items)} <i>of {short(max_items)}</i></span>
      <div class={flows ? "channel-pipe flows" : "channel-pipe"} aria-hidden="true">
        <div class="channel-fill" style={{ width: `${share * 100}%` }} />
      </div>
      <span class="channel-bytes" aria-hidden="true">{bytes(size)} <i>of {bytes(max_bytes)}</i></span>
    </li>
  );
}

function Input({ job }: { job: Job }) {
  const share = job.backlog.max_bytes > 0 ? job.backlog.bytes / job.backlog.max_bytes : 0;
  return (
    <li class="flow-end" aria-label="Input">
      <h3>Input</h3>
      <div class="big">{short(job.input.received)}</div>
      <div class="small muted">{bytes(job.input.bytes)}, {job.input.state}</div>
      {!job.done && job.backlog.bytes > 0 && (
        <div class="small" title={`Accepted and waiting on disk, ${percent(share)} of the backlog`}>
          {bytes(job.backlog.bytes)} on disk
        </div>
      )}
    </li>
  );
}

function Output({ job }: { job: Job }) {
  return (
    <li class="flow-end" aria-label="Output">
      <h3>Results</h3>
      <div class="big">
        <a href={href(["jobs", job.id], { tab: "results" })}
          aria-label={`${short(job.counts.results)} results`}>{short(job.counts.results)}</a>
      </div>
      {job.counts.failed > 0 && (
        <div class="small bad">
          <a href={href(["jobs", job.id], { tab: "failures" })}>{short(job.counts.failed)} failed</a>
        </div>
      )}
      {job.counts.filtered > 0 && <div class="small muted">{short(job.counts.filtered)} filtered</div>}
    </li>
  );
}

interface Props {
  job: Job;
  /* items a second that each stage takes in */
  rates: (number | null)[];
}

export function Pipeline({ job, rates }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const source = stageKinds.value.get(job.stages[0]?.use ?? "") === "source";
  const sink = stageKinds.value.get(job.stages.at(-1)?.use ?? "") === "sink";
  useEffect(() => {
    /* Of a pipeline wider than the page, what holds the job up is looked at first. */
    const box = scroller.current;
    const at = box?.querySelector<HTMLElement>(".bottleneck");
    if (box && at && at.offsetLeft + at.offsetWidth > box.clientWidth)
      box.scrollLeft = at.offsetLeft - (box.clientWidth - at.offsetWidth) / 2;
  }, []);
  return (
    <section class="panel" aria-label="Pipeline">
      <div class="panel-head">
        <h2>Pipeline</h2>
        <span class="muted small">{job.order === "input" ? "results in the order of the input" : "results in the order they are ready"}</span>
      </div>
      <div class="flow-scroll" ref={scroller} tabIndex={0} role="region" aria-label="Stages and queues">
        <ol class="flow">
          {!source && <Input job={job} />}
          {job.stages.map((stage, at) => [
            !(source && at === 0) && (
              <Channel key={`q${at}`} stage={stage} done={job.done} flows={job.state === "running" && (rates[at] ?? 0) > 0} />
            ),
            <Stage key={`s${at}`} job={job} stage={stage} perSecond={rates[at] ?? null} />,
          ])}
          {!sink && <li class="channel out" aria-hidden="true"><div class="channel-pipe" /></li>}
          {!sink && <Output job={job} />}
        </ol>
      </div>
    </section>
  );
}
