/*
 * JSON values as the composer handles them: never changed in place, addressed by paths whose
 * written form is the JSON pointer that the server names mistakes with.
 */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject { [key: string]: Json }

export type Path = (string | number)[];

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/* The object there, or an empty one: what a person typed into the raw view may be anything. */
export function objectAt(value: Json | undefined, ...path: Path): JsonObject {
  const found = at(value, path);
  return isObject(found) ? found : {};
}

export function arrayAt(value: Json | undefined, ...path: Path): Json[] {
  const found = at(value, path);
  return Array.isArray(found) ? found : [];
}

/* RFC 6901 */
export function pointer(path: Path): string {
  return path.map((part) => "/" + String(part).replaceAll("~", "~0").replaceAll("/", "~1")).join("");
}

/* Own members only: a field may be called "constructor". */
function member(value: Json | undefined, key: string | number): Json | undefined {
  if (Array.isArray(value)) return typeof key === "number" ? value[key] : undefined;
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

export function at(value: Json | undefined, path: Path): Json | undefined {
  return path.reduce<Json | undefined>(member, value);
}

/* A copy with `next` there; undefined takes the member away, and objects that it leaves empty. */
export function put(value: Json | undefined, path: Path, next: Json | undefined): Json | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return next;
  if (Array.isArray(value) && typeof key === "number") {
    const changed = put(value[key], rest, next);
    return value.map((each, index) => (index === key ? (changed ?? {}) : each));
  }
  const changed = put(member(value, key), rest, next);
  const others = isObject(value) ? Object.entries(value) : [];
  if (changed === undefined) {
    const left = others.filter(([name]) => name !== String(key));
    return left.length > 0 ? Object.fromEntries(left) : undefined;
  }
  if (others.some(([name]) => name === String(key)))
    return Object.fromEntries(others.map(([name, old]) => [name, name === key ? changed : old]));
  return Object.fromEntries([...others, [String(key), changed]]);
}

export function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((each, i) => same(each, b[i]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

export function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/* What JSON.stringify lets stand and nobody sees: zero-width, bidi marks and overrides, tags. */
const UNSEEN =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

/* A value as text to read, to edit and to put into a command: the same value in plain sight. */
export function written(value: Json): string {
  return JSON.stringify(value, null, 2).replace(UNSEEN, (found) =>
    Array.from({ length: found.length }, (_, at) =>
      "\\u" + found.charCodeAt(at).toString(16).padStart(4, "0")).join(""));
}

export function isUnseen(text: string): boolean {
  return text.search(UNSEEN) >= 0;
}
