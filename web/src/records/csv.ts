/*
 * Lines of JSON as CSV (RFC 4180), in one pass: the columns are the members in the order in which
 * they are first met, so the header is known at the end and put in front then. Rows before a
 * column was met simply end earlier.
 */
import { members } from "./json";

const COLUMNS_MAX = 1000;
/* A spreadsheet would take it for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

export function field(text: string): string {
  return /[",\n\r]|^\s|\s$/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

/* One JSON value as a field: strings without their quotes, null as nothing, the rest as it is. */
export function cell(raw: string): string {
  if (raw === "null") return "";
  if (!raw.startsWith('"')) return field(raw);
  const text = JSON.parse(raw) as string;
  return field(FORMULA.test(text) ? "'" + text : text);
}

export class Csv {
  private readonly columns = new Map<string, number>();

  private column(name: string): number | undefined {
    const known = this.columns.get(name);
    if (known !== undefined || this.columns.size >= COLUMNS_MAX) return known;
    this.columns.set(name, this.columns.size);
    return this.columns.size - 1;
  }

  /* What is no object stands in the column "value". */
  row(line: string): string {
    const cells: string[] = [];
    for (const [name, raw] of members(line) ?? [["value", line.trim()] as const]) {
      const at = this.column(name);
      if (at !== undefined) cells[at] = cell(raw);
    }
    return Array.from(cells, (each) => each ?? "").join(",") + "\r\n";
  }

  header(): string {
    const names = [...this.columns.keys()];
    return names.map((name) => field(FORMULA.test(name) ? "'" + name : name)).join(",") + "\r\n";
  }
}
