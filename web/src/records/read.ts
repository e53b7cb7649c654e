/* Results and failures as they come: a line each, of which the JSON inside stays text. */
import { request } from "../api";

export type Kind = "results" | "failures";

export interface Entry {
  cursor: string;
  item: number;
  /* the result, or the input that failed */
  raw: string;
  failure: { stage: string; attempts: number; kind: string; error: string; at: string } | null;
}

/* What stands between the first `before` and the last `after`. */
function between(line: string, before: string, after: string): [string, string] | null {
  const from = line.indexOf(before);
  const to = line.lastIndexOf(after);
  if (from < 0 || to < from + before.length) return null;
  return [line.slice(from + before.length, to), line.slice(0, from) + line.slice(to)];
}

export function parseResult(line: string): Entry {
  const parts = between(line, ',"value":', "}");
  if (!parts) throw new SyntaxError("a result without a value");
  const { cursor, item } = JSON.parse(parts[1]) as { cursor: string; item: number };
  return { cursor, item, raw: parts[0], failure: null };
}

/* Inside a string a quote is escaped: the first `,"input":` is the member. */
export function parseFailure(line: string): Entry {
  const parts = between(line, ',"input":', ',"at":"');
  if (!parts) throw new SyntaxError("a failure without its input");
  const { cursor, item, ...failure } = JSON.parse(parts[1]) as {
    cursor: string; item: number; stage: string; attempts: number; kind: string;
    error: string; at: string;
  };
  return { cursor, item, raw: parts[0], failure };
}

/* The lines of a stream, whole, without their ends; empty ones are left out. */
export async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const whole = rest.split("\n");
      rest = done ? "" : (whole.pop() ?? "");
      for (const line of whole) if (line !== "") yield line;
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

export function recordsPath(id: string, kind: Kind): string {
  return `/v1/jobs/${encodeURIComponent(id)}/${kind}`;
}

/* A page: at most `limit` of them, from behind `after`. */
export async function readPage(
  id: string, kind: Kind, after: string | null, limit: number, signal: AbortSignal,
): Promise<Entry[]> {
  const query = { after, limit, envelope: kind === "results" ? true : null };
  const response = await request("GET", recordsPath(id, kind), {
    query, signal, headers: { Accept: "application/x-ndjson" },
  });
  const found: Entry[] = [];
  const parse = kind === "results" ? parseResult : parseFailure;
  if (response.body) for await (const line of lines(response.body)) found.push(parse(line));
  return found;
}
