/* What the page "New job" knows. It outlives the page, so that one may look elsewhere meanwhile. */
import { computed, signal } from "@preact/signals";
import { api, explain, Problem } from "../api";
import type { Definition } from "../types";
import {
  changed, draftOf, emptyDraft, inserted, kindOf, placeFor, replaced, type Catalogue, type Draft,
} from "./draft";
import { pasted, type Picked } from "./input";
import { arrayAt, isObject, objectAt, parse, pointer, same, written, type Json, type JsonObject, type Path } from "./json";

const KEPT = "leat.draft";

function kept(): Draft {
  const found = parse(sessionStorage.getItem(KEPT) ?? "");
  return isObject(found) ? draftOf(found) : emptyDraft();
}

export const draft = signal<Draft>(kept());
export const catalogue = signal<Catalogue | null>(null);
const past = signal<Draft[]>([]);
export const canUndo = computed(() => past.value.length > 0);
/* Read out when a stage has moved. */
export const said = signal("");

export const definition = computed(() => draft.value.definition);
export const stages = computed<Json[]>(() => arrayAt(definition.value, "stages"));

export const hasSource = computed(() =>
  catalogue.value !== null && kindOf(catalogue.value, stages.value[0]) === "source");
export const hasSink = computed(() =>
  catalogue.value !== null && kindOf(catalogue.value, stages.value.at(-1)) === "sink");

/* What a person has typed as JSON, while that says the same as the draft or nothing yet. */
const typed = signal<string | null>(null);

export const rawText = computed(() => {
  const text = typed.value;
  if (text === null) return written(definition.value);
  const value = parse(text);
  return !isObject(value) || same(value, definition.value)
    ? text : written(definition.value);
});

export const rawWrong = computed(() => {
  const text = typed.value;
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? null : "A definition is an object: {\"stages\": […]}";
  } catch (error) {
    return `Not JSON yet: ${(error as Error).message}`;
  }
});

/* `big`: it can be undone. */
export function edit(next: Draft, big = false): void {
  if (big) past.value = [...past.value.slice(-49), draft.value];
  typed.value = null;
  keep(next);
}

/* One value; what was wrong with the old one is not said of the new one. */
export function change(path: Path, value: Json | undefined): void {
  const where = pointer(path);
  const others = [...mistakes.value].filter(([at]) => at !== where && !at.startsWith(where + "/"));
  if (others.length < mistakes.value.size) {
    mistakes.value = new Map(others);
    if (others.length === 0) verdict.value = "checking";
  }
  edit(changed(draft.value, path, value));
}

function keep(next: Draft): void {
  draft.value = next;
  sessionStorage.setItem(KEPT, JSON.stringify(next.definition));
}

export function editRaw(text: string): void {
  typed.value = text;
  const value = parse(text);
  if (isObject(value)) keep(replaced(draft.value, value));
}

export function undo(): void {
  const last = past.value.at(-1);
  if (!last) return;
  past.value = past.value.slice(0, -1);
  typed.value = null;
  keep(last);
}

export function startOver(next: JsonObject = { stages: [] }): void {
  edit(draftOf(next), stages.value.length > 0);
}

export function addStage(use: string): void {
  const known = catalogue.value;
  if (!known) return;
  const place = placeFor(draft.value, known, use);
  edit(inserted(draft.value, place, { use }), true);
  said.value = `${use} is stage ${place + 1} of ${stages.value.length}`;
}

// -- what is sent ------------------------------------------------------------------------

export type InputMode = "file" | "paste" | "later";

export const inputMode = signal<InputMode>("file");
export const files = signal<Picked[]>([]);
export const pasteText = signal("");
export const skipInvalid = signal(false);

export const input = computed<Picked[]>(() => {
  if (hasSource.value || inputMode.value === "later") return [];
  if (inputMode.value === "file") return files.value;
  const one = pasted(pasteText.value);
  return one ? [one] : [];
});

// -- what the server says of it -------------------------------------------------------------

export type Verdict = "empty" | "checking" | "good" | "bad" | "unknown";

export const verdict = signal<Verdict>("empty");
export const mistakes = signal<Map<string, string>>(new Map());
/* what cannot be said at a field */
export const trouble = signal<string | null>(null);

export function judged(error: unknown): void {
  const listed = error instanceof Problem ? (error.body.errors ?? []) : [];
  mistakes.value = new Map(listed.map((each) => [each.pointer, each.detail]));
  trouble.value = listed.length > 0 ? null : explain(error);
  verdict.value = error instanceof Problem ? "bad" : "unknown";
}

export async function check(signal: AbortSignal): Promise<void> {
  if (stages.value.length === 0) {
    mistakes.value = new Map();
    trouble.value = null;
    verdict.value = "empty";
    return;
  }
  try {
    await api.validate(definition.value, signal);
    if (signal.aborted) return;
    mistakes.value = new Map();
    trouble.value = null;
    verdict.value = "good";
  } catch (error) {
    if (!signal.aborted) judged(error);
  }
}

/* Creates the job; null when it was refused (the mistakes say why). */
export async function create(): Promise<{ id: string; name: string } | null> {
  try {
    return await api.create(definition.value as unknown as Definition);
  } catch (error) {
    judged(error);
    return null;
  }
}

export function clear(): void {
  edit(emptyDraft());
  past.value = [];
  files.value = [];
  pasteText.value = "";
}

export function stageAt(index: number): JsonObject {
  return objectAt(stages.value[index]);
}
