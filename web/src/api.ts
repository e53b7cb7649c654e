/*
 * The one way to the server. Every reply that is not 2xx becomes a Problem (what the server
 * said), every request that got no reply an Unreachable. A token, where the server wants one,
 * is kept for this tab only and sent with every request.
 */
import { signal } from "@preact/signals";
import type {
  Definition, Failure, Job, JobState, Page, ProblemBody, Result, StageKind,
} from "./types";

const TOKEN_KEY = "leat.token";

export class Problem extends Error {
  readonly status: number;
  readonly body: ProblemBody;

  constructor(body: ProblemBody) {
    super(body.detail ?? body.title);
    this.name = "Problem";
    this.status = body.status;
    this.body = body;
  }

  /* "queue-full" of "/problems/queue-full" */
  get slug(): string {
    return this.body.type.split("/").at(-1) ?? "";
  }
}

export class Unreachable extends Error {
  constructor(cause: unknown) {
    super("The server cannot be reached", { cause });
    this.name = "Unreachable";
  }
}

/* True when the last request was answered with 401: the token prompt is shown then. */
export const tokenWanted = signal(false);
/* Grows with every new token: what depends on the server's replies begins again. */
export const tokenChanges = signal(0);

export function token(): string | null {
  return sessionStorage.getItem(TOKEN_KEY);
}

export function setToken(value: string | null): void {
  if (value) sessionStorage.setItem(TOKEN_KEY, value);
  else sessionStorage.removeItem(TOKEN_KEY);
  tokenWanted.value = false;
  tokenChanges.value += 1;
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export interface Options {
  query?: Query;
  headers?: Record<string, string>;
  /* sent as JSON */
  json?: unknown;
  /* sent as it is */
  body?: BodyInit;
  signal?: AbortSignal;
}

export function path(template: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    if (value !== null && value !== undefined && value !== "") search.set(key, String(value));
  const text = search.toString();
  return template + (text ? (template.includes("?") ? "&" : "?") + text : "");
}

async function problemOf(response: Response): Promise<Problem> {
  const type = response.headers.get("content-type") ?? "";
  if (type.includes("json")) {
    const body = (await response.json().catch(() => null)) as ProblemBody | null;
    if (body?.title)
      return new Problem({ ...body, type: body.type ?? "about:blank", status: response.status });
  }
  return new Problem({
    type: "about:blank",
    title: response.statusText || `Status ${response.status}`,
    status: response.status,
  });
}

/* The headers every request carries. */
export function authorization(): Record<string, string> {
  const value = token();
  return value ? { Authorization: `Bearer ${value}` } : {};
}

/* A reply of 2xx or 304; anything else is thrown. */
export async function request(
  method: string, target: string, options: Options = {},
): Promise<Response> {
  const headers: Record<string, string> = { ...authorization(), ...options.headers };
  let body = options.body;
  if (options.json !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(options.json);
  }
  let response: Response;
  try {
    response = await fetch(path(target, options.query), {
      method, headers, body, signal: options.signal, cache: "no-store", redirect: "error",
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Unreachable(error);
  }
  if (response.ok || response.status === 304) return response;
  const problem = await problemOf(response);
  if (problem.status === 401) tokenWanted.value = true;
  throw problem;
}

async function json<T>(method: string, target: string, options: Options = {}): Promise<T> {
  const accept = { Accept: "application/json", ...options.headers };
  const response = await request(method, target, { ...options, headers: accept });
  if (response.status === 204) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Unreachable(error);
  }
}

export interface JobFilter {
  state?: JobState | "";
  name?: string;
  limit?: number;
  after?: string | null;
}

export type JobAction = "close" | "pause" | "resume" | "cancel";

const job = (id: string) => `/v1/jobs/${encodeURIComponent(id)}`;

export const api = {
  jobs: (filter: JobFilter = {}, signal?: AbortSignal) =>
    json<Page<Job>>("GET", "/v1/jobs", { query: { ...filter }, signal }),
  job: (id: string, signal?: AbortSignal) => json<Job>("GET", job(id), { signal }),
  create: (definition: Definition, query: Query = {}) =>
    json<Job>("POST", "/v1/jobs", { json: definition, query }),
  validate: (definition: unknown, signal?: AbortSignal) =>
    json<Definition>("POST", "/v1/jobs:validate", { json: definition, signal }),
  act: (id: string, action: JobAction) => json<Job>("POST", `${job(id)}/${action}`),
  remove: (id: string) => json<void>("DELETE", job(id)),
  setWorkers: (id: string, stage: string, workers: number) =>
    json<Job>("PATCH", job(id), { json: { stages: { [stage]: { workers } } } }),
  retry: (id: string, items?: number[]) =>
    json<Job>("POST", `${job(id)}/failures/retry`, { json: items ? { items } : {} }),
  definition: (id: string, signal?: AbortSignal) =>
    json<Definition>("GET", `${job(id)}/definition`, { signal }),
  results: (id: string, after: string | null, limit: number, signal?: AbortSignal) =>
    json<Page<Result>>("GET", `${job(id)}/results`, {
      query: { after, limit, envelope: true }, signal,
    }),
  failures: (id: string, after: string | null, limit: number, signal?: AbortSignal) =>
    json<Page<Failure>>("GET", `${job(id)}/failures`, { query: { after, limit }, signal }),
  stages: (signal?: AbortSignal) =>
    json<{ items: StageKind[]; refused?: unknown }>("GET", "/v1/stages", { signal }),
  server: (signal?: AbortSignal) =>
    json<Record<string, unknown>>("GET", "/v1/server", { signal }),
};

/* What to tell a person about anything that was thrown. */
export function explain(error: unknown): string {
  if (error instanceof Problem) {
    const mistakes = error.body.errors ?? [];
    const listed = mistakes.slice(0, 3).map((each) => `${each.pointer || "/"}: ${each.detail}`);
    return [error.message, ...listed].join("\n");
  }
  return error instanceof Error ? error.message : String(error);
}
