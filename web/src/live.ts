/*
 * What keeps the page true. A watch reads its resource once, then follows its event stream; when
 * the stream cannot be had (a proxy that holds it back, too many tabs) it polls, and tries the
 * stream again later. When nothing answers, the page says so and goes on trying.
 *
 * A hidden tab holds no connection: browsers allow six to a server, over all tabs.
 *
 * fetch() and not EventSource: a token has to be sent with it.
 */
import { effect, signal } from "@preact/signals";
import { createParser } from "eventsource-parser";
import { Problem, request, tokenChanges, tokenWanted } from "./api";

export type Connection = "connecting" | "live" | "polling" | "offline";

/* How the page stands to the server, by what its last watch met. */
export const connection = signal<Connection>("connecting");

const POLL_MS = 2000;
const STREAM_OPEN_MS = 5000; /* no reply's head by then: no stream can be had */
const STREAM_SILENT_MS = 40000; /* the server says something every 15 s */
const STREAM_AGAIN_MS = 30000;
const BACKOFF_MS = [500, 1000, 2000, 3000, 5000];

export interface Watch {
  /* The event stream's path, or null where there is none: then it is polled. */
  events: string | null;
  /* Reads the resource as it is now. What it throws, but for Unreachable, ends the watch. */
  read(signal: AbortSignal): Promise<void>;
  /* One event: its name, and its data parsed. */
  event?(name: string, data: unknown): void;
  /* The watch has ended with this; it does not go on. */
  ended?(error: unknown): void;
  pollMs?: number;
}

type Stop = () => void;

let wakeUp = new AbortController();

/* Tries at once, without waiting for the next try. */
export function tryNow(): void {
  wakeUp.abort();
  wakeUp = new AbortController();
}

addEventListener("online", tryNow);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) tryNow();
});

function wait(ms: number, signal: AbortSignal): Promise<void> {
  const early = wakeUp.signal;
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      early.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    early.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}

/* Resolves when the page is looked at. */
function shown(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", check);
      signal.removeEventListener("abort", check);
      resolve();
    };
    document.addEventListener("visibilitychange", check);
    signal.addEventListener("abort", check);
    check();
  });
}

type StreamEnd = "none" /* could not be had */ | "ended" | "finished" /* 204: nothing to come */;

/* Follows a stream until it ends, is silent for too long, or the page is hidden. */
async function follow(watch: Watch, path: string, signal: AbortSignal): Promise<StreamEnd> {
  const own = new AbortController();
  const stop = () => own.abort();
  const hide = () => document.hidden && stop();
  let timer = setTimeout(stop, STREAM_OPEN_MS);
  let opened = false;

  signal.addEventListener("abort", stop);
  document.addEventListener("visibilitychange", hide);
  try {
    const response = await request("GET", path, {
      headers: { Accept: "text/event-stream" }, signal: own.signal,
    });
    if (response.status === 204) return "finished";
    if (!response.body) return "none";
    const parser = createParser({
      onEvent: (event) => watch.event?.(event.event ?? "message", JSON.parse(event.data)),
    });
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    opened = true;
    connection.value = "live";
    for (;;) {
      clearTimeout(timer);
      timer = setTimeout(stop, STREAM_SILENT_MS);
      const { done, value } = await reader.read();
      if (done) return "ended";
      parser.feed(decoder.decode(value, { stream: true }));
    }
  } catch (error) {
    if (error instanceof Problem && error.status !== 404 && error.status !== 406) throw error;
    return opened ? "ended" : "none";
  } finally {
    clearTimeout(timer);
    own.abort();
    signal.removeEventListener("abort", stop);
    document.removeEventListener("visibilitychange", hide);
  }
}

/* Whether trying again may help: no answer at all, or one that says "not now". */
function mayPass(error: unknown): boolean {
  return !(error instanceof Problem) || error.status === 429 || error.status >= 500;
}

async function run(watch: Watch, signal: AbortSignal): Promise<void> {
  let failures = 0;
  let streamFrom = 0; /* when the stream may be tried again */

  while (!signal.aborted) {
    await shown(signal);
    if (signal.aborted) return;
    try {
      await watch.read(signal);
      if (signal.aborted) return;
      failures = 0;
      if (watch.events === null || Date.now() < streamFrom) {
        connection.value = watch.events === null ? "live" : "polling";
        await wait(watch.pollMs ?? POLL_MS, signal);
        continue;
      }
      const began = Date.now();
      const end = await follow(watch, watch.events, signal);
      if (end === "none") streamFrom = Date.now() + STREAM_AGAIN_MS;
      else if (end === "finished" || Date.now() - began < 1000)
        await wait(watch.pollMs ?? POLL_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status === 401) {
        await tokenGiven(signal);
        continue;
      }
      if (!mayPass(error)) {
        watch.ended?.(error);
        return;
      }
      const ms = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)]!;
      failures += 1;
      connection.value = "offline";
      await wait(ms, signal);
    }
  }
}

function tokenGiven(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const seen = tokenChanges.peek();
    const stop = effect(() => {
      if (tokenChanges.value === seen && tokenWanted.value) return;
      queueMicrotask(done);
    });
    const done = () => {
      stop();
      signal.removeEventListener("abort", done);
      resolve();
    };
    signal.addEventListener("abort", done);
  });
}

/* Watches until the function it returns is called. */
export function watch(what: Watch): Stop {
  const controller = new AbortController();
  void run(what, controller.signal);
  return () => controller.abort();
}
