/* Keeps a JobList as the server has it, and tells when to draw it again. */
import { signal, type Signal } from "@preact/signals";
import { api, explain } from "../api";
import { connection, watch } from "../live";
import { remember } from "../job/history";
import type { Job } from "../types";
import { JobList } from "./list";

const FIRST = 40; /* more than a window shows: the first paint waits for no more */
const PAGE = 1000;
const DRAW_MS = 200; /* events are drawn together */
export const MOST = 20000; /* jobs a page holds; older ones wait for a click */

export interface LiveJobs {
  list: JobList;
  /* grows when the list has changed */
  drawn: Signal<number>;
  ready: Signal<boolean>;
  wrong: Signal<string | null>;
  loading: Signal<boolean>;
  /* Reads the next page, if there is one and none is being read. */
  more(): void;
  stop(): void;
}

export function watchJobs(): LiveJobs {
  const list = new JobList();
  const drawn = signal(0);
  const ready = signal(false);
  const wrong = signal<string | null>(null);
  const loading = signal(false);
  const waiting = new Map<string, Job | null>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const draw = () => {
    timer = undefined;
    const changed: Job[] = [];
    for (const [id, job] of waiting) {
      if (job) changed.push(job);
      else list.remove(id);
    }
    list.change(changed);
    waiting.clear();
    drawn.value += 1;
  };
  const soon = () => (timer ??= setTimeout(draw, DRAW_MS));

  const readPage = async (after: string | null, above: string | null, limit: number, abort?: AbortSignal) => {
    const page = await api.jobs({ limit, after }, abort);
    list.page(page.items, above, page.next);
    drawn.value += 1;
    return { next: page.next, last: page.items.at(-1)?.id ?? null };
  };
  /* After a time without events everything that was read has to be read again. */
  const readAgain = async (abort: AbortSignal) => {
    const upto = list.size;
    let read = ready.peek() && connection.peek() !== "polling" ? 0 : upto;
    let at = await readPage(null, null, FIRST, abort);
    for (read += FIRST; read < upto && at.next !== null; read += PAGE)
      at = await readPage(at.next, at.last, PAGE, abort);
    ready.value = true;
  };
  const more = async () => {
    if (loading.peek() || list.next === null) return;
    loading.value = true;
    try {
      await readPage(list.next, list.bottom, PAGE);
    } catch (error) {
      wrong.value = explain(error);
    } finally {
      loading.value = false;
    }
  };
  const stop = watch({
    events: "/v1/events",
    async read(abort) {
      await readAgain(abort);
      wrong.value = null;
    },
    event(name, data) {
      const job = data as Job;
      if (name !== "deleted") remember(job);
      waiting.set(job.id, name === "deleted" ? null : job);
      soon();
    },
    ended: (error) => (wrong.value = explain(error)),
  });
  return {
    list, drawn, ready, wrong, loading,
    more: () => void more(),
    stop() {
      clearTimeout(timer);
      stop();
    },
  };
}
