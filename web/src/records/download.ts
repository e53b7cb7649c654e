/*
 * Downloads. Lines of JSON are the server's reply itself, saved by the browser; CSV is made here,
 * as the lines arrive, in pieces that the browser may put on disk.
 */
import { request, token } from "../api";
import { Csv } from "./csv";
import { lines, recordsPath, type Kind } from "./read";

const PIECE = 1 << 20;

function save(href: string, name: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/* A file name that no file system minds. */
export function fileName(job: { id: string; name: string }, kind: Kind, ending: string): string {
  const name = job.name.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+|[-.]+$/g, "").slice(0, 60);
  return `${name || job.id}-${kind}.${ending}`;
}

export async function downloadLines(id: string, kind: Kind, name: string): Promise<void> {
  const path = recordsPath(id, kind);
  if (token() === null) return save(path, name);
  const response = await request("GET", path, { headers: { Accept: "application/x-ndjson" } });
  saveBlob(await response.blob(), name);
}

export async function downloadCsv(
  id: string, kind: Kind, name: string, told: (rows: number) => void, signal: AbortSignal,
): Promise<void> {
  const headers = { Accept: "application/x-ndjson" };
  const response = await request("GET", recordsPath(id, kind), { headers, signal });
  const csv = new Csv();
  const pieces: Blob[] = [];
  let piece: string[] = [];
  let size = 0;
  let rows = 0;
  if (!response.body) return;
  for await (const line of lines(response.body)) {
    const row = csv.row(line);
    piece.push(row);
    size += row.length;
    rows += 1;
    if (size < PIECE) continue;
    pieces.push(new Blob(piece));
    piece = [];
    size = 0;
    told(rows);
  }
  saveBlob(new Blob([csv.header(), ...pieces, ...piece], { type: "text/csv;charset=utf-8" }), name);
}
