/*
 * What is going to be sent: looked at before, so that a wrong file is known before the job is
 * made, and so that the names of its fields can be offered where a stage wants one.
 */
import { isObject, parse, type Json } from "./json";

export interface Picked {
  name: string;
  body: Blob;
  contentType: string;
  contentEncoding: string | null;
  /* the first items, as text */
  sample: string[];
  /* what looks wrong with it */
  doubt: string | null;
}

const LOOK_AT = 65536;
const SAMPLES = 3;

function startsWith(bytes: Uint8Array, ...magic: number[]): boolean {
  return magic.every((each, index) => bytes[index] === each);
}

/* The beginning of what a gzip file holds. */
async function gunzipped(body: Blob): Promise<Uint8Array> {
  const reader = body.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  while (length < LOOK_AT) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
  }
  void reader.cancel().catch(() => undefined);
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/* The first elements of an array whose end may be missing. */
export function firstElements(text: string, most: number): string[] {
  const found: string[] = [];
  let depth = 0;
  let from = text.indexOf("[") + 1;
  let inString = false;
  for (let at = from; at < text.length && found.length < most; at++) {
    const char = text[at];
    if (inString) {
      if (char === "\\") at++;
      else if (char === '"') inString = false;
      continue;
    }
    if (char === '"') inString = true;
    else if (char === "{" || char === "[") depth++;
    else if ((char === "," || char === "]") && depth === 0) {
      const element = text.slice(from, at).trim();
      if (element) found.push(element);
      if (char === "]") return found;
      from = at + 1;
    } else if (char === "}" || char === "]") depth--;
  }
  return found;
}

const lines = (text: string) => text.split("\n").map((each) => each.trim());

/* Whether this is one JSON text (an array: its elements) and not a line for each item. */
function isDocument(text: string, whole: boolean): boolean {
  const begin = text.trimStart();
  if (begin[0] !== "[" && begin[0] !== "{") return false;
  const first = lines(begin)[0] ?? "";
  if (parse(first) !== undefined) return first[0] === "[" && whole && begin.trimEnd() === first;
  return begin[0] === "[" || !whole || parse(begin) !== undefined;
}

export interface Looked {
  contentType: string;
  sample: string[];
  doubt: string | null;
}

const NDJSON = "application/x-ndjson";

/* `whole`: the text is all there is, not only the beginning. */
export function look(text: string, whole: boolean): Looked {
  if (text.trim() === "")
    return { contentType: NDJSON, sample: [], doubt: whole ? "It is empty: no item is in it." : null };
  if (isDocument(text, whole)) {
    const array = text.trimStart()[0] === "[";
    if (whole && parse(text) === undefined)
      return { contentType: "application/json", sample: [], doubt: "It begins like one JSON text and is none." };
    return {
      contentType: "application/json", doubt: null,
      sample: array ? firstElements(text, SAMPLES) : [],
    };
  }
  const all = lines(text);
  const complete = whole ? all : all.slice(0, -1);
  const wrong = complete.findIndex((line) => line !== "" && parse(line) === undefined);
  const items = complete.filter((line) => line !== "" && parse(line) !== undefined);
  return {
    contentType: NDJSON, sample: items.slice(0, SAMPLES),
    doubt: wrong < 0 ? null : `Line ${wrong + 1} is not JSON. Items are one JSON text a line, or one array.`,
  };
}

async function begin(body: Blob): Promise<{ text: string; encoding: string | null; whole: boolean }> {
  const head = new Uint8Array(await body.slice(0, LOOK_AT).arrayBuffer());
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (startsWith(head, 0x1f, 0x8b)) {
    const bytes = await gunzipped(body);
    return { text: decode(bytes), encoding: "gzip", whole: bytes.length < LOOK_AT };
  }
  if (startsWith(head, 0x28, 0xb5, 0x2f, 0xfd)) return { text: "", encoding: "zstd", whole: false };
  return { text: decode(head), encoding: null, whole: body.size <= LOOK_AT };
}

export async function pick(file: File): Promise<Picked> {
  const base = { name: file.name, body: file };
  try {
    const { text, encoding, whole } = await begin(file);
    return { ...base, ...look(text, whole), contentEncoding: encoding };
  } catch {
    return {
      ...base, contentType: NDJSON, contentEncoding: null, sample: [],
      doubt: "It cannot be read: it may be a folder, or a compressed file that is damaged.",
    };
  }
}

export function pasted(text: string): Picked | null {
  if (text.trim() === "") return null;
  return {
    name: "items.ndjson", body: new Blob([text]), contentEncoding: null,
    ...look(text, true),
  };
}

function collect(value: Json, at: string, into: Set<string>): void {
  if (!isObject(value)) return;
  for (const [key, inner] of Object.entries(value)) {
    const escaped = key.replaceAll("~", "~0").replaceAll("/", "~1");
    into.add(at === "" && escaped === key && key !== "" ? key : `${at}/${escaped}`);
    if (at.split("/").length < 3) collect(inner, `${at}/${escaped}`, into);
  }
}

/* How the fields of these items are called: "name", "/customer/city". */
export function fieldNames(samples: string[]): string[] {
  const names = new Set<string>();
  for (const each of samples) collect(parse(each) ?? null, "", names);
  return [...names].slice(0, 60);
}
