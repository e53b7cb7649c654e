/*
 * The jobs that are known, newest first (an id says when its job was made). The list is read in
 * pages from its newest end, as far down as somebody wants to see; events change it in between.
 * Pure: what reads and what draws stand elsewhere.
 */
import type { Job, JobState } from "../types";

export class JobList {
  private readonly byId = new Map<string, Job>();
  private sorted: Job[] | null = null;
  /* Where the next page begins; null: all have been read. */
  next: string | null = null;
  /* The oldest id up to which the list is whole; everything, when next is null. */
  bottom: string | null = null;

  get all(): readonly Job[] {
    this.sorted ??= [...this.byId.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
    return this.sorted;
  }

  get size(): number {
    return this.byId.size;
  }

  get complete(): boolean {
    return this.next === null;
  }

  /* A page read behind `above` (null: the first). What it does not name is gone. */
  page(items: Job[], above: string | null, next: string | null): void {
    const last = items.at(-1)?.id ?? null;
    const named = new Set(items.map((job) => job.id));
    for (const id of this.byId.keys()) {
      const within = (above === null || id < above) && (next === null || (last !== null && id >= last));
      if (within && !named.has(id)) this.byId.delete(id);
    }
    for (const job of items) this.newer(job);
    const deeper = this.bottom === null || next === null || (last !== null && last < this.bottom);
    if (deeper) {
      this.next = next;
      this.bottom = last;
    }
    this.sorted = null;
  }

  /* What events said. A job below what has been read will come with its page, too. */
  change(jobs: Iterable<Job>): void {
    for (const job of jobs) this.newer(job);
    this.sorted = null;
  }

  remove(id: string): void {
    if (this.byId.delete(id)) this.sorted = null;
  }

  private newer(job: Job): void {
    const known = this.byId.get(job.id);
    if (!known || known.version <= job.version) this.byId.set(job.id, job);
  }
}

export interface Filter {
  state: JobState | "";
  text: string;
}

/* What is typed: words that all must stand in name, id or a label; `key=value` is a label. */
export function matcher(filter: Filter): (job: Job) => boolean {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return (job) => {
    if (filter.state !== "" && job.state !== filter.state) return false;
    return words.every((word) => hasWord(job, word));
  };
}

function hasWord(job: Job, word: string): boolean {
  if (job.name.toLowerCase().includes(word) || job.id.toLowerCase().includes(word)) return true;
  return Object.entries(job.labels).some(([key, value]) =>
    `${key}=${value}`.toLowerCase().includes(word),
  );
}

export type SortKey = "age" | "name" | "state" | "rate" | "failed";
export interface Sort {
  key: SortKey;
  down: boolean; /* the largest, or newest, first */
}

const values: Record<SortKey, (job: Job) => number | string> = {
  age: (job) => job.id,
  name: (job) => (job.name || job.id).toLowerCase(),
  state: (job) => ["running", "finishing", "paused", "failed", "cancelled", "succeeded"].indexOf(job.state),
  rate: (job) => job.rate.items_per_s,
  failed: (job) => job.counts.failed,
};

export function sorted(jobs: readonly Job[], sort: Sort): readonly Job[] {
  if (sort.key === "age") return sort.down ? jobs : [...jobs].reverse();
  const value = values[sort.key];
  const sign = sort.down ? -1 : 1;
  return [...jobs].sort((a, b) => {
    const x = value(a);
    const y = value(b);
    return x < y ? -sign : x > y ? sign : a.id < b.id ? 1 : -1;
  });
}
