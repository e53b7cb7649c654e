import assert from "node:assert/strict";
import { test } from "node:test";
import { add, fill, rates, SAMPLES, type Sample } from "../src/job/history";
import { beginnings, changes } from "../src/job/seen";
import { allowed } from "../src/jobs/actions";
import { JobList, matcher, sorted } from "../src/jobs/list";
import { visibleSpan } from "../src/ui/virtual";
import type { Job, JobState } from "../src/types";

function job(id: string, more: Partial<Job> = {}): Job {
  return {
    id, name: "", labels: {}, state: "running", done: false, version: 1,
    created_at: "2026-01-01T00:00:00Z", started_at: null, finished_at: null,
    input: { state: "open", received: 0, bytes: 0 },
    counts: { total: null, pending: 0, running: 0, succeeded: 0, filtered: 0, failed: 0, cancelled: 0, results: 0, retries: 0 },
    rate: { items_per_s: 0 }, eta_s: null, progress: null, bottleneck: null, stalled: null, error: null,
    report: null, order: "none", backlog: { bytes: 0, max_bytes: 1 }, stages: [], ...more,
  };
}

const ids = (list: JobList) => list.all.map((each) => each.id).join("");
const page = (text: string) => [...text].map((id) => job(id));

test("a list is put together from its pages, newest first", () => {
  const list = new JobList();
  list.page(page("hgf"), null, "n1");
  assert.ok(!list.complete);
  list.page(page("edc"), "f", "n2");
  list.page(page("ba"), "c", null);
  assert.equal(ids(list), "hgfedcba");
  assert.ok(list.complete);
});

test("reading the first page again keeps the older ones and drops what is gone", () => {
  const list = new JobList();
  list.page(page("fed"), null, "n1");
  list.page(page("cba"), "d", null);
  list.page(page("gfd"), null, "n9");
  assert.equal(ids(list), "gfdcba", "e was deleted, g is new");
  assert.ok(list.complete, "the end is still known");
});

test("the last page says that all below is gone", () => {
  const list = new JobList();
  list.page(page("dcba"), null, null);
  list.page(page("db"), null, null);
  assert.equal(ids(list), "db");
  list.page([], null, null);
  assert.equal(ids(list), "");
});

test("an older version never replaces a newer one", () => {
  const list = new JobList();
  list.change([job("a", { version: 5, name: "new" })]);
  list.page([job("a", { version: 3, name: "old" })], null, null);
  assert.equal(list.all[0]!.name, "new");
  list.change([job("a", { version: 6, name: "newer" }), job("b")]);
  assert.equal(list.all.map((each) => each.name).join(), ",newer");
  list.remove("a");
  assert.equal(ids(list), "b");
});

test("a filter wants every word, in name, id or label", () => {
  const one = job("j_1", { name: "Orders nightly", labels: { team: "shop" } });
  const fits = (text: string, state: JobState | "" = "") => matcher({ state, text })(one);
  assert.ok(fits("") && fits("orders") && fits("J_1") && fits("team=shop") && fits("night shop"));
  assert.ok(!fits("orders ops") && !fits("team=ops"));
  assert.ok(fits("", "running") && !fits("", "failed"));
});

test("sorting keeps the newest first among equals", () => {
  const jobs = [job("c", { name: "x" }), job("b", { name: "a" }), job("a", { name: "x" })];
  const order = (key: "name" | "age", down: boolean) => sorted(jobs, { key, down }).map((each) => each.id).join("");
  assert.equal(order("name", false), "bca");
  assert.equal(order("name", true), "cab");
  assert.equal(order("age", true), "cba");
  assert.equal(order("age", false), "abc");
});

test("what can be done to a job follows its state", () => {
  const can = (more: Partial<Job>) => allowed(job("a", more)).join();
  const failed = { ...job("a").counts, failed: 2 };
  const closed = { state: "closed" as const, received: 1, bytes: 1 };
  assert.equal(can({}), "pause,close,cancel,delete");
  assert.equal(can({ state: "paused", input: closed }), "resume,cancel,delete");
  assert.equal(can({ state: "succeeded", done: true, counts: failed }), "retry,delete");
  assert.equal(can({ state: "failed", done: true, counts: failed }), "delete");
  assert.equal(can({ state: "cancelled", done: true }), "delete");
});

test("only the rows in sight are drawn, and the rest keeps its height", () => {
  const span = visibleSpan(-46000, 920, 46, 5000, 10);
  assert.deepEqual(span, { from: 990, to: 1030, before: 45540, after: 182620 });
  assert.equal(span.before + (span.to - span.from) * 46 + span.after, 5000 * 46);
  assert.deepEqual(visibleSpan(300, 900, 46, 3), { from: 0, to: 3, before: 0, after: 0 });
  assert.deepEqual(visibleSpan(-999999, 900, 46, 3), { from: 3, to: 3, before: 138, after: 0 });
  assert.deepEqual(visibleSpan(5000, 900, 46, 100), { from: 0, to: 0, before: 0, after: 4600 });
  assert.deepEqual(visibleSpan(0, 900, 46, 0), { from: 0, to: 0, before: 0, after: 0 });
});

const sample = (at: number, finished: number): Sample => ({ at, finished, results: 0, failed: 0, queues: [], stageIn: [] });

test("there is a sample a second, and ten minutes of them", () => {
  const samples: Sample[] = [];
  for (let at = 0; at <= 2000000; at += 250) add(samples, sample(at, at));
  assert.equal(samples.length, SAMPLES);
  assert.equal(samples.at(-1)!.at, 2000000, "the newest is there at once");
  for (let at = 1; at < samples.length - 1; at++) assert.ok(samples[at]!.at - samples[at - 1]!.at >= 1000);
});

test("a rate is growth over time, and unknown where a count fell", () => {
  const samples = [sample(0, 0), sample(1000, 500), sample(3000, 1500), sample(3000, 1600), sample(4000, 100)];
  assert.deepEqual(rates(samples, (each) => each.finished), [null, 500, 500, null, null]);
});

test("a queue is as full as the nearer of its two bounds", () => {
  assert.equal(fill({ items: 10, bytes: 50, max_items: 100, max_bytes: 100 }), 0.5);
  assert.equal(fill({ items: 10, bytes: 500, max_items: 100, max_bytes: 100 }), 1);
  assert.equal(fill({ items: 0, bytes: 0, max_items: 0, max_bytes: 0 }), 0);
});

const stage = (workers: number) => ({
  name: "s", use: "s", workers, busy: 0, in: 0, out: 0, filtered: 0, failed: 0, retries: 0,
  queue: { items: 0, bytes: 0, max_items: 1, max_bytes: 1 }, time: { busy: 0, blocked: 0, starved: 0 },
  latency_us: { p50: 0, p99: 0, max: 0 },
});

test("the event log says what is different", () => {
  const before = job("a", { stages: [stage(2)] });
  const said = (more: Partial<Job>) => changes(before, job("a", { stages: [stage(2)], ...more }), 9).map((each) => each.text);
  assert.deepEqual(said({}), []);
  assert.deepEqual(said({ stages: [stage(5)] }), ["workers of s: 2 → 5"]);
  assert.deepEqual(said({ state: "paused" }), ["running → paused"]);
  assert.deepEqual(said({ input: { state: "closed", received: 3, bytes: 9 } }), ["input closed with 3 items"]);
  assert.deepEqual(said({ bottleneck: "s" }), ["held up by s"]);
  assert.deepEqual(said({ stalled: { stage: "s", reason: "no room", since: null } }), ["stalled at s: no room"]);
  assert.deepEqual(said({ counts: { ...before.counts, failed: 4 } }), ["first failed items"]);
});

test("a job that is over when it is first seen has its past in the log", () => {
  const over = job("a", { state: "succeeded", done: true, started_at: "2026-01-01T00:00:01Z", finished_at: "2026-01-01T00:00:02Z" });
  assert.deepEqual(beginnings(over).map((each) => each.text), ["created", "began its first item", "succeeded"]);
});
