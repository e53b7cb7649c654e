/* How the server itself is: may it work, what does it use, how fast does the disk answer. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { api, authorization, explain, Unreachable } from "../api";
import { at, objectAt, type Json, type JsonObject, type Path } from "../compose/json";
import { bytes, count, duration, percent, rate } from "../format";
import { watch } from "../live";
import type { Route } from "../router";
import { Foreign } from "../ui/foreign";

const POLL_MS = 1000;
const KEPT = 180;
const FIRST = 30;

interface Moment {
  at: number;
  server: JsonObject;
}

interface Ready {
  status: string;
  checks: [string, string][];
}

function number(moment: JsonObject, ...path: Path): number | null {
  const value = at(moment, path);
  return typeof value === "number" ? value : null;
}

/* 503 is an answer here like 200. */
async function readiness(signal: AbortSignal): Promise<Ready> {
  let reply: Response;
  try {
    reply = await fetch("/readyz", { headers: authorization(), signal, cache: "no-store" });
  } catch (error) {
    throw new Unreachable(error);
  }
  const body = (await reply.json().catch(() => null)) as Json;
  const checks = Object.entries(objectAt(body, "checks"));
  return {
    status: reply.ok ? "ready" : "not ready",
    checks: checks.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
  };
}

/* A line of the last minutes, as wide as its box. */
function Trace({ values, label }: { values: number[]; label: string }) {
  const most = Math.max(...values, 1e-9);
  const shown = Math.max(values.length, FIRST); /* it fills from the right, then it gets denser */
  const step = 100 / (shown - 1);
  const points = values.map((value, index) =>
    `${((shown - values.length + index) * step).toFixed(2)},${(29 - (value / most) * 27).toFixed(2)}`);
  return (
    <svg class="trace" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label={label}>
      {values.length > 1 && <polyline points={points.join(" ")} vector-effect="non-scaling-stroke" />}
    </svg>
  );
}

interface TileProps {
  title: string;
  value: string;
  about: ComponentChildren;
  values?: number[];
}

function Tile({ title, value, about, values }: TileProps) {
  return (
    <div class="tile panel">
      <h3>{title}</h3>
      <div class="tile-value">{value}</div>
      {values && <Trace values={values} label={`${title}, the last minutes`} />}
      <div class="muted small">{about}</div>
    </div>
  );
}

/* What a count grew by in a second, between neighbouring moments. */
function growth(moments: Moment[], ...path: Path): number[] {
  return moments.slice(1).map((moment, index) => {
    const before = moments[index]!;
    const seconds = Math.max(0.001, (moment.at - before.at) / 1000);
    const grown = (number(moment.server, ...path) ?? 0) - (number(before.server, ...path) ?? 0);
    return Math.max(0, grown / seconds);
  });
}

/* The mean of the last few, so that a number can be read. */
function recent(values: number[]): number {
  const last = values.slice(-5);
  return last.length > 0 ? last.reduce((sum, each) => sum + each, 0) / last.length : 0;
}

function Disk({ now }: { now: JsonObject }) {
  const used = number(now, "disk", "used_bytes");
  const most = number(now, "disk", "max_bytes");
  const share = used !== null && most ? used / most : 0;
  const writable = at(now, ["disk", "writable"]) !== false;
  return (
    <div class="tile panel">
      <h3>Disk</h3>
      <div class="tile-value">{bytes(used)}</div>
      <meter class={`gauge${share > 0.9 ? " full" : ""}`} min={0} max={1} value={share} aria-label="Disk used of what it may use">{percent(share)}</meter>
      <div class="muted small">
        {percent(share)} of {bytes(most)} that it may take; {bytes(number(now, "disk", "free_bytes"))} free on the disk
        {!writable && <strong class="bad-text"> · not writable</strong>}
      </div>
    </div>
  );
}

function Tiles({ moments }: { moments: Moment[] }) {
  const now = moments.at(-1)!.server;
  const took = growth(moments, "totals", "items_accepted");
  const done = growth(moments, "totals", "items_finished");
  const p99 = moments.map((each) => number(each.server, "commit", "p99_ms") ?? 0);
  const memory = moments.map(({ server }) =>
    number(server, "memory", "rss_bytes") ?? number(server, "memory", "slab_bytes") ?? 0);
  const ms = (value: number | null) => (value ? duration(value / 1000) : "–");
  return (
    <div class="tiles">
      <Tile title="Items in" value={rate(recent(took))} values={took}
        about={`${count(number(now, "totals", "items_accepted"))} since the start`} />
      <Tile title="Items done" value={rate(recent(done))} values={done}
        about={`${count(number(now, "totals", "items_finished"))} since the start`} />
      <Tile title="Commit latency, p99" value={ms(number(now, "commit", "p99_ms"))} values={p99}
        about={`p50 ${ms(number(now, "commit", "p50_ms"))}; ${count(number(now, "commit", "count"))} commits`} />
      <Tile title="Memory" value={bytes(memory.at(-1))} values={memory}
        about={`${bytes(number(now, "memory", "slab_bytes"))} of it for items under way`} />
      <Disk now={now} />
      <Tile title="Jobs" value={count(number(now, "totals", "jobs_open"))}
        about={`open; ${count(number(now, "totals", "jobs_created"))} made since the start`} />
      <Tile title="Connections" value={count(number(now, "http", "active"))}
        about={`${count(number(now, "http", "served"))} requests answered`} />
      <Tile title="Up for" value={duration(Math.floor(number(now, "uptime_s") ?? 0))}
        about={<>version {String(now.version ?? "unknown")}, process {String(now.pid ?? "unknown")}</>} />
    </div>
  );
}

const checkWords: Record<string, string> = {
  admission: "new work is taken",
  store: "what comes in can be kept",
};

function Readiness({ ready }: { ready: Ready | null }) {
  if (!ready) return null;
  const good = ready.status === "ready";
  return (
    <section class="panel" aria-labelledby="ready-title">
      <div class="panel-head readiness">
        <h2 id="ready-title">Readiness</h2>
        <span class={`state ${good ? "succeeded" : "failed"}`}>
          <span class="state-sign" aria-hidden="true">{good ? "✓" : "✕"}</span>{ready.status}
        </span>
        <dl class="checks">
          {ready.checks.map(([name, value]) => (
            <div key={name} title={checkWords[name]}>
              <dt>{name}</dt>
              <dd class={value === "ok" ? "good-text" : "bad-text"}><Foreign text={value} most={300} /></dd>
              {checkWords[name] && <dd class="muted small">{checkWords[name]}</dd>}
            </div>
          ))}
        </dl>
      </div>
    </section>
  );
}

/* What each limit bounds, and the setting that changes it where there is one. */
const limits: Record<string, [string, "bytes" | "ms" | "s" | "count"]> = {
  compute: ["threads that run stages", "count"],
  blocking_max: ["threads of blocking stages", "count"],
  item_max: ["one item, as text", "bytes"],
  output_max: ["what one item may become", "bytes"],
  hot_bytes: ["accepted input of a job that stays in memory", "bytes"],
  stall_ms: ["without progress for so long, a job is called stalled", "ms"],
  flush_ms: ["longest wait of a finished item for its commit", "ms"],
  jobs_max: ["jobs that are not done", "count"],
  keys_max: ["idempotency keys of a job", "count"],
  connections: ["connections at a time", "count"],
  connection_memory: ["memory of a connection", "bytes"],
  head_bytes: ["head of a request", "bytes"],
  body_bytes: ["body of a request that is read whole", "bytes"],
  body_ratio: ["how many times larger a compressed body may become", "count"],
  idle_timeout_s: ["an idle connection is closed after", "s"],
};

function shown(value: Json, unit: "bytes" | "ms" | "s" | "count" | undefined): string {
  if (typeof value !== "number") return JSON.stringify(value);
  if (unit === "bytes") return bytes(value);
  if (unit === "ms") return duration(value / 1000);
  return unit === "s" ? duration(value) : count(value);
}

function Limits({ now }: { now: JsonObject }) {
  const all = [...Object.entries(objectAt(now, "limits")), ...Object.entries(objectAt(now, "http", "limits"))];
  return (
    <section class="panel" aria-labelledby="limits-title">
      <div class="panel-head">
        <h2 id="limits-title">Limits in force</h2>
        <span class="muted small">set by flag, environment or file: <code>leat serve --help</code></span>
      </div>
      <div class="table-wrap" tabIndex={0} role="region" aria-label="Table of the limits">
        <table class="table limits">
          <thead><tr><th scope="col">Limit</th><th scope="col" class="number">Value</th><th scope="col">Bounds</th></tr></thead>
          <tbody>
            {all.map(([name, value]) => (
              <tr key={name}>
                <td><code>{name}</code></td>
                <td class="number">{shown(value, limits[name]?.[1])}</td>
                <td class="muted">{limits[name]?.[0]}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function ServerPage(_: { route: Route }) {
  const moments = useSignal<Moment[]>([]);
  const ready = useSignal<Ready | null>(null);
  const wrong = useSignal<string | null>(null);
  useEffect(() => watch({
    events: null,
    pollMs: POLL_MS,
    async read(signal) {
      const [server, now] = await Promise.all([api.server(signal), readiness(signal)]);
      const moment = { at: performance.now(), server: server as JsonObject };
      const last = moments.value.at(-1);
      /* After a restart its counts begin anew. */
      const same = last && number(last.server, "pid") === number(moment.server, "pid");
      moments.value = [...(same ? moments.value : []), moment].slice(-KEPT);
      ready.value = now;
    },
    ended: (error) => (wrong.value = explain(error)),
  }), []);
  const now = moments.value.at(-1);
  return (
    <div class="page" aria-busy={!now}>
      <div class="page-head"><h1>Server</h1></div>
      {wrong.value && <p role="alert">{wrong.value}</p>}
      {now && <Readiness ready={ready.value} />}
      {now && <Tiles moments={moments.value} />}
      {now && <Limits now={now.server} />}
    </div>
  );
}
