/* What the server says, as openapi/openapi.yaml describes it. */

export type JobState = "running" | "paused" | "finishing" | "succeeded" | "failed" | "cancelled";

export interface ProblemBody {
  type: string;
  title: string;
  status: number;
  detail?: string;
  instance?: string;
  errors?: { pointer: string; detail: string }[];
}

export interface StageStatus {
  name: string;
  use: string;
  workers: number;
  busy: number;
  in: number;
  out: number;
  filtered: number;
  failed: number;
  retries: number;
  queue: { items: number; bytes: number; max_items: number; max_bytes: number };
  time: { busy: number; blocked: number; starved: number };
  latency_us: { p50: number; p99: number; max: number };
}

export interface Counts {
  total: number | null;
  pending: number;
  running: number;
  succeeded: number;
  filtered: number;
  failed: number;
  cancelled: number;
  results: number;
  retries: number;
}

export interface Job {
  id: string;
  name: string;
  labels: Record<string, string>;
  state: JobState;
  done: boolean;
  version: number;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  input: { state: "open" | "closed"; received: number; bytes: number };
  counts: Counts;
  rate: { items_per_s: number };
  eta_s: number | null;
  progress: number | null;
  bottleneck: string | null;
  stalled: { stage: string; reason: string; since: string | null } | null;
  error: ProblemBody | null;
  report: unknown;
  order: "input" | "none";
  backlog: { bytes: number; max_bytes: number };
  stages: StageStatus[];
}

export interface StageDefinition {
  use: string;
  name?: string;
  params?: Record<string, unknown>;
  workers?: number;
  scaled?: boolean;
  queue?: { items?: number; bytes?: number };
  timeout_ms?: number;
  retry?: { attempts?: number; backoff_ms?: number; max_backoff_ms?: number };
  on_error?: "dead_letter" | "drop" | "fail";
  rate?: { per_second: number };
}

export interface Definition {
  name?: string;
  labels?: Record<string, string>;
  stages: StageDefinition[];
  order?: "input" | "none";
  backlog?: { bytes: number };
  limits?: { max_failures?: number; max_failure_ratio?: number; deadline_ms?: number };
  retention_ms?: number;
}

export interface Page<T> {
  items: T[];
  next: string | null;
  done?: boolean;
}

export interface Failure {
  cursor: string;
  item: number;
  stage: string;
  attempts: number;
  kind: "permanent" | "transient" | "timeout" | "crash";
  error: string;
  input: unknown;
  at: string;
}

export interface Result {
  cursor: string;
  item: number;
  value: unknown;
}

export interface StageKind {
  name: string;
  kind: "source" | "map" | "sink";
  version?: string;
  summary?: string;
  params?: Record<string, unknown>;
  [more: string]: unknown;
}
