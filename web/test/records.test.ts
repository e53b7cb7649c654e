import assert from "node:assert/strict";
import { test } from "node:test";
import { search } from "../src/job/records";
import { cell, Csv } from "../src/records/csv";
import { members, pretty, tokens } from "../src/records/json";
import { lines, parseFailure, parseResult } from "../src/records/read";

test("tokens keep strings whole and numbers as they stand", () => {
  assert.deepEqual([...tokens('{"a\\"b": [1.50, -2e9,\ttrue]}')],
    ["{", '"a\\"b"', ":", "[", "1.50", ",", "-2e9", ",", "true", "]", "}"]);
  assert.deepEqual([...tokens('"\\\\"')], ['"\\\\"']);
});

test("a pretty value is the same value", () => {
  for (const raw of ['{"a":[1,{"b":"x, {y}"}],"c":{},"d":[]}', "[]", '"s"', "12345678901234567890", "null"])
    assert.equal([...tokens(pretty(raw))].join(""), [...tokens(raw)].join(""));
  assert.equal(pretty('{"a":[1,2],"b":{}}'), '{\n  "a": [\n    1,\n    2\n  ],\n  "b": {}\n}');
});

test("members keep their values as text", () => {
  assert.deepEqual(members('{"id":12345678901234567890,"o":{"x":[1,{"y":2}]},"s":"a,b:}"}'),
    [["id", "12345678901234567890"], ["o", '{"x":[1,{"y":2}]}'], ["s", '"a,b:}"']]);
  assert.deepEqual(members("{}"), []);
  assert.equal(members("[1]"), null);
  assert.equal(members('"x"'), null);
});

test("a result keeps its digits", () => {
  const entry = parseResult('{"cursor":"c1","item":7,"value":{"n":12345678901234567890}}');
  assert.deepEqual(entry, { cursor: "c1", item: 7, raw: '{"n":12345678901234567890}', failure: null });
  assert.equal(parseResult('{"cursor":"c","item":0,"value":"},\\"value\\":1"}').raw, '"},\\"value\\":1"');
  assert.throws(() => parseResult("{}"));
});

test("a failure is told from an error that looks like one", () => {
  const entry = parseFailure(
    '{"cursor":"c","item":1,"stage":"s","attempts":3,"kind":"permanent",' +
    '"error":"x\\",\\"input\\":9","input":{"at":",\\"at\\":\\""},"at":"2026-01-01T00:00:00Z"}');
  assert.equal(entry.raw, '{"at":",\\"at\\":\\""}');
  assert.deepEqual(entry.failure, {
    stage: "s", attempts: 3, kind: "permanent", error: 'x","input":9', at: "2026-01-01T00:00:00Z",
  });
});

test("lines are put together from any pieces", async () => {
  const bytes = new TextEncoder().encode('{"a":"é😀"}\n\n{"b":2}\n{"c":3}');
  for (const size of [1, 2, 3, 7, 100]) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    });
    const found: string[] = [];
    for await (const line of lines(body)) found.push(line);
    assert.deepEqual(found, ['{"a":"é😀"}', '{"b":2}', '{"c":3}'], `pieces of ${size}`);
  }
});

test("a cell is quoted where it must be, and never a formula", () => {
  assert.equal(cell('"plain"'), "plain");
  assert.equal(cell('"a,\\"b\\"\\nc"'), '"a,""b""\nc"');
  assert.equal(cell("-1.50"), "-1.50");
  assert.equal(cell("12345678901234567890"), "12345678901234567890");
  assert.equal(cell("null"), "");
  assert.equal(cell('{"a":1}'), '"{""a"":1}"');
  for (const text of ["=1+1", "+1", "-1", "@x", "\tx"])
    assert.ok(cell(JSON.stringify(text)).replace(/^"/, "").startsWith("'"), text);
});

test("columns are those that were met, in their order", () => {
  const csv = new Csv();
  const rows = ['{"a":1,"b":"x"}', '{"b":null,"c":[1,2]}', "17"].map((line) => csv.row(line));
  assert.deepEqual(rows, ["1,x\r\n", ',,"[1,2]"\r\n', ",,,17\r\n"]);
  assert.equal(csv.header(), "a,b,c,value\r\n");
});

test("searching looks into values, errors, stages and the item's number", () => {
  const entries = [
    parseResult('{"cursor":"a","item":7,"value":"Hello"}'),
    parseFailure('{"cursor":"b","item":8,"stage":"hash","attempts":1,"kind":"crash","error":"Boom","input":7,"at":"x"}'),
  ];
  const found = (text: string) => search(entries, text).map((entry) => entry.cursor);
  assert.deepEqual(found("hello"), ["a"]);
  assert.deepEqual(found("boom"), ["b"]);
  assert.deepEqual(found("hash"), ["b"]);
  assert.deepEqual(found("8"), ["b"]);
  assert.deepEqual(found(" "), ["a", "b"]);
});
