/*
 * JSON as text: results are shown and written as the server sent them, so that no number loses a
 * digit on its way through a parser. What is given is JSON already; nothing here checks it.
 */

/* Where the string that begins at `at` ends: behind its closing quote. */
function stringEnd(raw: string, at: number): number {
  for (let from = at + 1; ; ) {
    const quote = raw.indexOf('"', from);
    if (quote < 0) return raw.length;
    let slashes = 0;
    while (raw[quote - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

const SPACE = " \t\n\r";
const MARKS = "{}[]:,";

/* Strings, numbers and words as they stand, and the marks between them. */
export function* tokens(raw: string): Generator<string> {
  let at = 0;
  while (at < raw.length) {
    const char = raw[at]!;
    let end = at + 1;
    if (SPACE.includes(char)) {
      at = end;
      continue;
    }
    if (char === '"') end = stringEnd(raw, at);
    else if (!MARKS.includes(char))
      while (end < raw.length && !SPACE.includes(raw[end]!) && !MARKS.includes(raw[end]!)) end += 1;
    yield raw.slice(at, end);
    at = end;
  }
}

/* On many lines, two spaces a level. */
export function pretty(raw: string): string {
  let out = "";
  let depth = 0;
  let before = "";
  const line = () => "\n" + "  ".repeat(depth);
  for (const token of tokens(raw)) {
    const opened = before === "{" || before === "[";
    if (token === "}" || token === "]") {
      depth -= 1;
      out += opened ? token : line() + token;
    } else {
      if (opened || before === ",") out += line();
      out += token === ":" ? ": " : token;
      if (token === "{" || token === "[") depth += 1;
    }
    before = token;
  }
  return out;
}

/* The members of an object with their values as text; null where it is none. */
export function members(raw: string): [string, string][] | null {
  const found: [string, string][] = [];
  let depth = 0;
  let key: string | null = null;
  let value = "";
  for (const token of tokens(raw)) {
    if (depth === 0 && token !== "{") return null;
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    if (depth === 0 && closes) {
      if (key !== null) found.push([key, value]);
      return found;
    }
    if (depth === 1 && token === ",") {
      if (key !== null) found.push([key, value]);
      key = null;
      value = "";
    } else if (depth === 1 && key === null && token !== "{") key = JSON.parse(token) as string;
    else if (depth > 1 || (depth === 1 && key !== null && !(token === ":" && value === "")))
      value += token;
    if (token === "{" || token === "[") {
      depth += 1;
    }
  }
  return null;
}
