/*
 * What was seen of jobs, for the charts: a sample a second, for ten minutes, of the last jobs
 * that were seen to live. It begins when the page is opened; the server keeps no history.
 */
import type { Job } from "../types";

export const SAMPLE_MS = 1000;
export const SAMPLES = 600;
const JOBS = 40;

export interface Sample {
  at: number; /* ms since the epoch */
  finished: number;
  results: number;
  failed: number;
  queues: number[]; /* fill of each stage's queue, 0 to 1 */
  stageIn: number[];
}

const histories = new Map<string, Sample[]>();

/* How full a queue is: by items or bytes, whichever is nearer to its bound. */
export function fill(queue: Job["stages"][number]["queue"]): number {
  const items = queue.max_items > 0 ? queue.items / queue.max_items : 0;
  const size = queue.max_bytes > 0 ? queue.bytes / queue.max_bytes : 0;
  return Math.min(1, Math.max(items, size));
}

export function finished(job: Job): number {
  const { succeeded, filtered, failed, cancelled } = job.counts;
  return succeeded + filtered + failed + cancelled;
}

function sampleOf(job: Job, at: number): Sample {
  return {
    at,
    finished: finished(job),
    results: job.counts.results,
    failed: job.counts.failed,
    queues: job.stages.map((stage) => fill(stage.queue)),
    stageIn: job.stages.map((stage) => stage.in || stage.out), /* a source takes nothing in */
  };
}

/* The newest sample stands for the second that runs: it is replaced until that is over. */
export function add(samples: Sample[], sample: Sample): void {
  const before = samples.at(-2);
  const last = samples.at(-1);
  if (last && before && last.at - before.at < SAMPLE_MS) samples[samples.length - 1] = sample;
  else samples.push(sample);
  if (samples.length > SAMPLES) samples.splice(0, samples.length - SAMPLES);
}

export function remember(job: Job, at = Date.now()): void {
  const known = histories.get(job.id);
  const samples = known ?? [];
  histories.delete(job.id); /* to the end: the last seen */
  histories.set(job.id, samples);
  add(samples, sampleOf(job, at));
  if (histories.size > JOBS) histories.delete(histories.keys().next().value!);
}

export function historyOf(id: string): readonly Sample[] {
  return histories.get(id) ?? [];
}

/* A count's growth a second, between neighbours; null where it cannot be told. */
export function rates(samples: readonly Sample[], count: (sample: Sample) => number): (number | null)[] {
  return samples.map((sample, at) => {
    const before = samples[at - 1];
    if (!before || sample.at <= before.at) return null;
    const grown = count(sample) - count(before);
    return grown < 0 ? null : (grown * 1000) / (sample.at - before.at);
  });
}
