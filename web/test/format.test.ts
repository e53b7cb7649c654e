import assert from "node:assert/strict";
import { test } from "node:test";
import { age, bytes, clockTime, count, duration, micros, percent, plural, rate, short } from "../src/format";

function all(format: (value: number) => string, cases: Record<string, string>): void {
  for (const [value, text] of Object.entries(cases)) assert.equal(format(Number(value)), text, value);
}

test("counts show every digit, in threes", () => {
  all(count, { 0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", 0.4: "0" });
});

test("short counts keep three digits from 100,000 on", () => {
  all(short, { 0: "0", 49950: "49,950", 99999: "99,999", 100000: "100k", 123456: "123k", 999999: "1M", 1250000: "1.25M" });
});

test("bytes are powers of 1024 without idle zeros", () => {
  all(bytes, { 0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 16777216: "16 MiB", 1099511627776: "1 TiB" });
});

test("a rate below ten keeps its fraction", () => {
  all(rate, { 0: "0/s", 0.33: "0.33/s", 5: "5/s", 41230.5: "41,231/s", 1234567: "1.23M/s" });
});

test("a share is never rounded up to whole or down to nothing", () => {
  all(percent, { 0: "0 %", 0.001: "<1 %", 0.694: "69 %", 0.999: "99 %", 1: "100 %" });
});

test("durations have two units at most", () => {
  all(duration, { 0: "0 s", 0.0042: "4.2 ms", 1.54: "1.5 s", 59.7: "1 min", 61: "1 min 1 s", 1529: "25 min", 3599: "1 h", 3600: "1 h", 3725: "1 h 2 min", 90000: "1 d 1 h" });
});

test("latencies go from microseconds to seconds", () => {
  all(micros, { 0: "0 µs", 0.3: "0.3 µs", 480: "480 µs", 999.7: "1.0 ms", 2210: "2.2 ms", 87000: "87 ms", 1500000: "1.5 s" });
});

test("ages have one unit", () => {
  all(age, { "-5": "0 s", 59: "59 s", 60: "1 min", 7200: "2 h", 200000: "2 d" });
});

test("what is not known is a dash", () => {
  for (const format of [count, short, bytes, rate, percent, duration, micros])
    for (const value of [null, undefined, NaN, Infinity]) assert.equal(format(value), "–");
  assert.equal(clockTime(null), "–");
  assert.equal(clockTime("never"), "never");
});

test("one is one", () => {
  assert.equal(plural(1, "item"), "1 item");
  assert.equal(plural(2, "item"), "2 items");
  assert.equal(plural(0, "entry", "entries"), "0 entries");
});
