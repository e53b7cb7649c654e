/* How far a job is: one bar of what became of its items, and the figures beside it. */
import { age, bytes, clockTime, count, duration, percent, plural, rate } from "../format";
import { finished } from "./history";
import type { Job, StageStatus } from "../types";
import { now } from "../ui/clock";

type Fate = "succeeded" | "filtered" | "failed" | "cancelled" | "running" | "pending";
const fates: [Fate, string][] = [
  ["succeeded", "through to the end"],
  ["filtered", "let go by a stage, as it should"],
  ["failed", "all attempts used up"],
  ["cancelled", "given up with the job"],
  ["running", "being worked on"],
  ["pending", "waiting"],
];

function Fates({ job }: { job: Job }) {
  const received = job.input.received;
  const said = fates.map(([fate]) => `${fate} ${count(job.counts[fate])}`).join(", ");
  return (
    <div class="fates">
      <div class="fates-bar" role="img" aria-label={`Items: ${said}`}>
        {received > 0 && fates.map(([fate]) => job.counts[fate] > 0 && (
          <span key={fate} class={fate} style={{ flexGrow: job.counts[fate] }} />
        ))}
      </div>
      <ul class="legend">
        {fates.filter(([fate]) => job.counts[fate] > 0 || fate === "succeeded").map(([fate, meaning]) => (
          <li key={fate} title={meaning}>
            <i class={fate} aria-hidden="true" />{fate} <b>{count(job.counts[fate])}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Figure({ name, value, note }: { name: string; value: string; note?: string }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>{value}{note && <span class="muted small"> {note}</span>}</dd>
    </div>
  );
}

function tookOrRuns(job: Job): [string, string] {
  const from = Date.parse(job.started_at ?? job.created_at);
  if (job.finished_at) return ["Took", duration((Date.parse(job.finished_at) - from) / 1000)];
  return [job.started_at ? "Runs for" : "Waits for", age((now.value - from) / 1000)];
}

function meanRate(job: Job): string {
  const from = Date.parse(job.started_at ?? "");
  const seconds = (Date.parse(job.finished_at ?? "") - from) / 1000;
  return rate(seconds > 0 ? job.input.received / seconds : null);
}

function soFar(job: Job): number | null {
  return job.input.received > 0 ? finished(job) / job.input.received : null;
}

export function Summary({ job }: { job: Job }) {
  const known = job.progress !== null;
  const [howLong, length] = tookOrRuns(job);
  return (
    <section class="panel summary" aria-label="Progress">
      <div class="summary-head">
        <div class="big-percent" role="progressbar" aria-label="Progress" aria-valuemin={0} aria-valuemax={100}
          aria-valuenow={known ? Math.round(job.progress! * 100) : undefined}
          aria-valuetext={known ? percent(job.progress) : "the end is not known yet"}>
          {percent(job.progress ?? soFar(job))}
          {!known && <span>of what came so far</span>}
        </div>
        <Fates job={job} />
      </div>
      <dl class="figures">
        {job.done ? <Figure name="Mean rate" value={meanRate(job)} /> : <Figure name="Rate" value={rate(job.rate.items_per_s)} />}
        {!job.done && <Figure name="Time left" value={job.eta_s === null ? "–" : duration(Math.ceil(job.eta_s))} />}
        <Figure name="Received" value={count(job.input.received)}
          note={`${bytes(job.input.bytes)}, input ${job.input.state}`} />
        <Figure name="Results" value={count(job.counts.results)} />
        {job.counts.retries > 0 && <Figure name="Retries" value={count(job.counts.retries)} />}
        <Figure name={howLong} value={length} />
        <Figure name="Created" value={clockTime(job.created_at)} />
        {!job.done && job.backlog.bytes > 0 && (
          <Figure name="Backlog on disk" value={bytes(job.backlog.bytes)} note={`of ${bytes(job.backlog.max_bytes)}`} />
        )}
      </dl>
    </section>
  );
}

function waits(job: Job): boolean {
  return job.state === "running" && job.input.state === "open" && finished(job) === job.input.received;
}

/* Workers that could work and do not are held by a rate, or by the machine. */
function whyItHolds(stage: StageStatus): string {
  const { busy, workers } = stage;
  if (busy >= workers / 2)
    return `its ${plural(workers, "worker")} ${workers === 1 ? "is" : "are"} busy ${percent(stage.time.busy)} of the ` +
      "time while items wait in front of it. More workers there make it faster, as far as the machine goes.";
  return `items wait in front of it, there is room behind it, and ${count(busy)} of ${plural(workers, "worker")} ` +
    "are at work: its rate, or the machine, is the limit.";
}

/* What a person should know before anything else. */
export function Notices({ job }: { job: Job }) {
  const slow = job.stages.find((stage) => stage.name === job.bottleneck);
  return (
    <>
      {job.error && (
        <div class="notice bad" role="alert">
          <strong>{job.error.title}.</strong> {job.error.detail}
        </div>
      )}
      {job.stalled && (
        <div class="notice bad" role="alert">
          <strong>Stalled</strong>{job.stalled.since ? ` since ${clockTime(job.stalled.since)}` : ""} at{" "}
          <bdi>{job.stalled.stage}</bdi>: {job.stalled.reason}
        </div>
      )}
      {waits(job) && (
        <div class="notice">
          {job.input.received > 0 ? "Everything that came in is done." : "Nothing has come in yet."} The job waits for{" "}
          {job.input.received > 0 ? "more items" : "items"}, or for its input to be closed: then it ends.
        </div>
      )}
      {slow && !job.done && (
        <div class="notice warn">
          <strong><bdi>{slow.name}</bdi> holds this job up:</strong> {whyItHolds(slow)}
        </div>
      )}
    </>
  );
}
