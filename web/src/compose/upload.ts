/*
 * Uploads outlive the page that began them. A broken connection is nothing: the same body goes
 * again with the same Idempotency-Key, and the server takes what it does not have yet.
 *
 * XMLHttpRequest and not fetch(): only it tells how much has been sent.
 */
import { signal } from "@preact/signals";
import { authorization, path, tokenChanges, tokenWanted } from "../api";
import { count } from "../format";
import { toast } from "../ui/toast";
import type { Picked } from "./input";

export type UploadState = "sending" | "waiting" | "token" | "stopped";

export interface Upload {
  id: number;
  job: string;
  name: string;
  state: UploadState;
  total: number;
  sent: number;
  perSecond: number;
  /* nothing has left for a while: the server holds the connection back */
  held: boolean;
  taken: number;
  message: string;
}

export const uploads = signal<Upload[]>([]);

interface Reply {
  status: number;
  body: { accepted?: number; duplicates?: number; rejected?: number; detail?: string; title?: string } | null;
}

const HELD_AFTER_MS = 1500;
const AGAIN_MS = [500, 1000, 2000, 4000];

let lastId = 0;
const running = new Map<number, Sender>();

function change(id: number, what: Partial<Upload>): void {
  uploads.value = uploads.value.map((each) => (each.id === id ? { ...each, ...what } : each));
}

function forget(id: number): void {
  running.delete(id);
  uploads.value = uploads.value.filter((each) => each.id !== id);
}

function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return "page-" + Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}

class Sender {
  private readonly key = randomKey();
  private readonly began = Date.now();
  private request: XMLHttpRequest | null = null;
  private wake: (() => void) | null = null;
  private stopped = false;
  private index = 0;
  private before = 0;
  private taken = 0;
  private failures = 0;

  constructor(
    private readonly id: number, private readonly job: string, private readonly input: Picked[],
    private skipInvalid: boolean,
  ) {}

  stop(): void {
    this.stopped = true;
    this.request?.abort();
    this.wake?.();
  }

  /* Goes on where it was; lines that are not JSON are passed over from here on if so said. */
  again(skipInvalid: boolean): void {
    this.skipInvalid ||= skipInvalid;
    this.stopped = false;
    void this.run();
  }

  async run(): Promise<void> {
    for (; this.index < this.input.length && !this.stopped; ) {
      change(this.id, { state: "sending", message: "" });
      const reply = await this.send(this.input[this.index]!);
      if (this.stopped) return this.ended("Stopped.");
      if (reply?.status === 200) this.next(reply);
      else if (reply?.status === 401) await this.tokenGiven();
      else if (!reply || reply.status === 429 || reply.status >= 500) await this.pause(reply);
      else return this.ended(reply.body?.detail ?? reply.body?.title ?? `Status ${reply.status}`, reply);
    }
    if (this.stopped) return this.ended("Stopped.");
    toast(`${this.input.map((each) => each.name).join(", ")}: ${count(this.taken)} items are in`);
    forget(this.id);
  }

  private next(reply: Reply): void {
    this.taken += (reply.body?.accepted ?? 0) + (reply.body?.duplicates ?? 0);
    this.before += this.input[this.index]!.body.size;
    this.index += 1;
    this.failures = 0;
    change(this.id, { taken: this.taken, sent: this.before });
  }

  private ended(message: string, reply?: Reply): void {
    const taken = this.taken + (reply?.body?.accepted ?? 0) + (reply?.body?.duplicates ?? 0);
    change(this.id, { state: "stopped", message, taken });
  }

  private async pause(reply: Reply | null): Promise<void> {
    const why = reply ? (reply.body?.detail ?? `Status ${reply.status}`) : "The connection broke.";
    change(this.id, { state: "waiting", message: `${why} It goes on by itself.` });
    const ms = AGAIN_MS[Math.min(this.failures++, AGAIN_MS.length - 1)]!;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = null;
  }

  private async tokenGiven(): Promise<void> {
    tokenWanted.value = true;
    change(this.id, { state: "token", message: "The server wants a token." });
    const seen = tokenChanges.peek();
    await new Promise<void>((resolve) => {
      const stop = tokenChanges.subscribe((now) => {
        if (now !== seen) resolve();
      });
      this.wake = () => {
        stop();
        resolve();
      };
    });
    this.wake?.();
    this.wake = null;
  }

  /* The reply, or null when there was none. */
  private send(one: Picked): Promise<Reply | null> {
    const request = new XMLHttpRequest();
    const last = this.index === this.input.length - 1;
    this.request = request;
    return new Promise((resolve) => {
      let held = 0;
      const moved = (loaded: number) => {
        const seconds = (Date.now() - this.began) / 1000;
        const sent = this.before + loaded;
        clearTimeout(held);
        if (loaded < one.body.size)
          held = window.setTimeout(() => change(this.id, { held: true }), HELD_AFTER_MS);
        change(this.id, { sent, held: false, perSecond: seconds > 0 ? sent / seconds : 0 });
      };
      const done = (reply: Reply | null) => {
        clearTimeout(held);
        change(this.id, { held: false });
        resolve(reply);
      };
      request.upload.onprogress = (event) => moved(event.loaded);
      request.onload = () => done({ status: request.status, body: request.response as Reply["body"] });
      request.onerror = () => done(null);
      request.onabort = () => done(null);
      request.open("POST", path(`/v1/jobs/${encodeURIComponent(this.job)}/items`, {
        close: last ? true : null, on_invalid: this.skipInvalid ? "skip" : null,
      }));
      request.responseType = "json";
      const headers = {
        ...authorization(), "Content-Type": one.contentType,
        "Idempotency-Key": `${this.key}-${this.index}`,
        ...(one.contentEncoding ? { "Content-Encoding": one.contentEncoding } : {}),
      };
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.send(one.body);
    });
  }
}

export function startUpload(job: string, name: string, input: Picked[], skipInvalid: boolean): void {
  const id = ++lastId;
  const total = input.reduce((sum, each) => sum + each.body.size, 0);
  uploads.value = [...uploads.value, {
    id, job, name, state: "sending", total, sent: 0, perSecond: 0, held: false, taken: 0, message: "",
  }];
  const sender = new Sender(id, job, input, skipInvalid);
  running.set(id, sender);
  void sender.run();
}

export function stopUpload(id: number): void {
  running.get(id)?.stop();
}

export function resumeUpload(id: number, skip = false): void {
  running.get(id)?.again(skip);
}

export function dismissUpload(id: number): void {
  running.get(id)?.stop();
  forget(id);
}

/* Leaving the page would cut an upload off. */
addEventListener("beforeunload", (event) => {
  if (uploads.value.some((each) => each.state !== "stopped")) event.preventDefault();
});
