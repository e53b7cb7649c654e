/* The event log of a job: what the server keeps of its life, and what was seen to change. */
import { count, plural } from "../format";
import type { Job } from "../types";

export interface Seen {
  at: number; /* ms since the epoch */
  text: string;
  kind: "state" | "change" | "bad";
  /* drawn into the charts as well */
  mark?: string;
}

const MOST = 500;
const logs = new Map<string, Seen[]>();
const last = new Map<string, Job>();

/* From the times of a job that is seen for the first time. */
export function beginnings(job: Job): Seen[] {
  const seen: Seen[] = [];
  const add = (iso: string | null, text: string, kind: Seen["kind"] = "state") => {
    if (iso) seen.push({ at: Date.parse(iso), text, kind });
  };
  add(job.created_at, "created");
  add(job.started_at, "began its first item");
  add(job.finished_at, job.state, job.state === "failed" ? "bad" : "state");
  return seen;
}

/* What is different between two looks at a job. */
export function changes(before: Job, after: Job, at: number): Seen[] {
  const seen: Seen[] = [];
  if (before.input.state === "open" && after.input.state === "closed")
    seen.push({ at, kind: "state", text: `input closed with ${plural(after.input.received, "item")}` });
  if (before.state !== after.state)
    seen.push({
      at, kind: after.state === "failed" ? "bad" : "state",
      mark: after.state === "finishing" ? undefined : after.state,
      text: `${before.state} → ${after.state}${after.error ? ": " + (after.error.detail ?? after.error.title) : ""}`,
    });
  for (const stage of after.stages) {
    const was = before.stages.find((each) => each.name === stage.name);
    if (was && was.workers !== stage.workers)
      seen.push({
        at, kind: "change", mark: `${stage.name}: ${count(stage.workers)}`,
        text: `workers of ${stage.name}: ${count(was.workers)} → ${count(stage.workers)}`,
      });
  }
  if (after.stalled && !before.stalled)
    seen.push({ at, kind: "bad", text: `stalled at ${after.stalled.stage}: ${after.stalled.reason}` });
  if (!after.stalled && before.stalled) seen.push({ at, kind: "state", text: "moves again" });
  if (after.bottleneck && after.bottleneck !== before.bottleneck && !after.done)
    seen.push({ at, kind: "change", text: `held up by ${after.bottleneck}` });
  if (after.counts.failed > before.counts.failed && before.counts.failed === 0)
    seen.push({ at, kind: "bad", text: `first failed ${after.counts.failed === 1 ? "item" : "items"}` });
  if (after.counts.failed < before.counts.failed)
    seen.push({
      at, kind: "change",
      text: `${plural(before.counts.failed - after.counts.failed, "failed item")} ran again`,
    });
  return seen;
}

export function look(job: Job, at = Date.now()): void {
  const before = last.get(job.id);
  const log = logs.get(job.id) ?? beginnings(job);
  if (before && job.version >= before.version) log.push(...changes(before, job, at));
  logs.set(job.id, log.slice(-MOST));
  last.set(job.id, job);
}

export function seenOf(id: string): readonly Seen[] {
  return logs.get(id) ?? [];
}
