import assert from "node:assert/strict";
import { test } from "node:test";
import { curl, quote } from "../src/curl";
import { cut, visible } from "../src/text";

test("controls, bidi marks and zero widths are named", () => {
  assert.equal(visible("a\u0000b\u007f"), "a␀b␡");
  assert.equal(visible("abc\u202Edef\u2066"), "abc⟨U+202E⟩def⟨U+2066⟩");
  assert.equal(visible("x\u200By\uFEFF"), "x⟨U+200B⟩y⟨U+FEFF⟩");
  assert.equal(visible("\u{E0041}"), "⟨U+E0041⟩");
  assert.equal(visible("\u0085\u2028"), "⟨U+0085⟩⟨U+2028⟩");
});

test("half a surrogate pair is named, a whole one stays", () => {
  assert.equal(visible("\ud83d\ude00 \ud83d"), "😀 ⟨U+D83D⟩");
});

test("line ends stay only where they are wanted", () => {
  assert.equal(visible("a\n\tb", true), "a\n\tb");
  assert.equal(visible("a\n\tb"), "a␊␉b");
  assert.equal(visible("a\r\n", true), "a␍\n");
});

test("ordinary writing of any script stays as it is", () => {
  for (const text of ["naïve", "日本語", "שלום", "مرحبا", "<img src=x onerror=alert(1)>"])
    assert.equal(visible(text), text);
});

test("a cut never halves a character", () => {
  assert.deepEqual(cut("abc", 3), { text: "abc", rest: 0 });
  assert.deepEqual(cut("abcd", 3), { text: "abc", rest: 1 });
  assert.deepEqual(cut("ab😀", 3), { text: "ab", rest: 2 });
});

test("a word for the shell is one word, whatever stands in it", () => {
  assert.equal(quote("items.ndjson"), "items.ndjson");
  assert.equal(quote(""), "''");
  assert.equal(quote("it's $HOME"), `'it'\\''s $HOME'`);
});

test("a token never stands in a command", () => {
  const line = curl({ url: "http://h/v1/jobs", data: '{"a":1}', token: true });
  assert.equal(line, `curl -sS -H "Authorization: Bearer $LEAT_TOKEN" http://h/v1/jobs --data-binary '{"a":1}'`);
});
