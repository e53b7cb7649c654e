/*
 * The address of what is shown lives behind the #: `#/jobs/j_01…?tab=results`. Links are plain
 * <a href="#/…">, so that back, forward, bookmarks and "open in a new tab" work by themselves.
 */
import { signal } from "@preact/signals";

export interface Route {
  /* "jobs", or "jobs", "j_01…" */
  parts: string[];
  query: URLSearchParams;
}

export function parseHash(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return {
    parts: path.split("/").filter(Boolean).map(decode),
    query: new URLSearchParams(query),
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function href(parts: string[], query: Record<string, string> = {}): string {
  const search = new URLSearchParams(query).toString();
  return "#/" + parts.map(encodeURIComponent).join("/") + (search ? "?" + search : "");
}

export const route = signal<Route>(parseHash(location.hash));

addEventListener("hashchange", () => {
  route.value = parseHash(location.hash);
});

export function navigate(to: string): void {
  location.hash = to;
}

/* Changes what the address says without a new entry in the history (a tab, a filter). */
export function replace(to: string): void {
  history.replaceState(null, "", to);
  route.value = parseHash(to);
}
