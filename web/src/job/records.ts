/* The results or failures of a job that have been loaded, and loading more of them. */
import { signal, type Signal } from "@preact/signals";
import { explain } from "../api";
import { readPage, type Entry, type Kind } from "../records/read";

export const PAGE = 200;

export interface Records {
  entries: Signal<Entry[]>;
  loading: Signal<boolean>;
  wrong: Signal<string | null>;
  /* The last page was not full: that was all there is so far. */
  atEnd: Signal<boolean>;
  more(): Promise<void>;
  /* From the start again, showing the old ones until the new ones are there. */
  again(): Promise<void>;
  stop(): void;
}

export function records(id: string, kind: Kind): Records {
  const entries = signal<Entry[]>([]);
  const loading = signal(false);
  const wrong = signal<string | null>(null);
  const atEnd = signal(false);
  let stopped = new AbortController();

  const load = async (before: Entry[]) => {
    const abort = stopped.signal;
    loading.value = true;
    try {
      const page = await readPage(id, kind, before.at(-1)?.cursor ?? null, PAGE, abort);
      entries.value = [...before, ...page];
      atEnd.value = page.length < PAGE;
      wrong.value = null;
    } catch (error) {
      if (!abort.aborted) wrong.value = explain(error);
    } finally {
      if (!abort.aborted) loading.value = false;
    }
  };
  return {
    entries, loading, wrong, atEnd,
    async more() {
      if (!loading.peek()) await load(entries.peek());
    },
    async again() {
      stopped.abort();
      stopped = new AbortController();
      await load([]);
    },
    stop: () => stopped.abort(),
  };
}

/* Text in the value, the error, the stage, or the item's number. */
export function search(entries: Entry[], text: string): Entry[] {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return entries;
  return entries.filter((entry) => {
    const { failure } = entry;
    const where = failure ? [entry.raw, failure.error, failure.stage, failure.kind] : [entry.raw];
    return String(entry.item) === wanted || where.some((each) => each.toLowerCase().includes(wanted));
  });
}
