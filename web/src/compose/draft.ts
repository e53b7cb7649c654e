/*
 * The definition that is being composed. It is the JSON that will be sent and nothing else: the
 * form is a view of it, the raw text another one. Stages carry keys beside it, so that a card
 * stays itself when it is moved.
 */
import type { StageKind } from "../types";
import { arrayAt, isObject, objectAt, put, same, type Json, type JsonObject, type Path } from "./json";
import { field, fieldsOf, rangeOf, type Field } from "./schema";

export interface Draft {
  definition: JsonObject;
  keys: number[];
}

let lastKey = 0;

function newKeys(count: number): number[] {
  return Array.from({ length: count }, () => ++lastKey);
}

export function draftOf(definition: JsonObject): Draft {
  return { definition, keys: newKeys(arrayAt(definition, "stages").length) };
}

export const emptyDraft = (): Draft => draftOf({ stages: [] });

/* As the raw view left it: cards keep their keys by their place. */
export function replaced(draft: Draft, definition: JsonObject): Draft {
  const count = arrayAt(definition, "stages").length;
  const kept = draft.keys.slice(0, count);
  return { definition, keys: [...kept, ...newKeys(count - kept.length)] };
}

export function changed(draft: Draft, path: Path, value: Json | undefined): Draft {
  const definition = put(draft.definition, path, value);
  return { ...draft, definition: isObject(definition) ? definition : {} };
}

function withStages(draft: Draft, stages: Json[], keys: number[]): Draft {
  return { definition: { ...draft.definition, stages }, keys };
}

export type Catalogue = Map<string, StageKind>;

export function catalogueOf(stages: StageKind[]): Catalogue {
  return new Map(stages.map((each) => [each.name, each]));
}

export function useOf(stage: Json | undefined): string {
  const use = objectAt(stage).use;
  return typeof use === "string" ? use : "";
}

export function kindOf(catalogue: Catalogue, stage: Json | undefined): string | undefined {
  return catalogue.get(useOf(stage))?.kind;
}

/* A source goes first, a sink last, anything else before the sink. */
export function placeFor(draft: Draft, catalogue: Catalogue, use: string): number {
  const stages = arrayAt(draft.definition, "stages");
  const kind = catalogue.get(use)?.kind;
  if (kind === "source") return 0;
  const last = stages.length - 1;
  return kind !== "sink" && kindOf(catalogue, stages[last]) === "sink" ? last : stages.length;
}

function spliced<T>(list: T[], place: number, taken: number, ...put: T[]): T[] {
  return [...list.slice(0, place), ...put, ...list.slice(place + taken)];
}

export function inserted(draft: Draft, place: number, stage: Json): Draft {
  const stages = arrayAt(draft.definition, "stages");
  return withStages(draft, spliced(stages, place, 0, stage),
    spliced(draft.keys, place, 0, ...newKeys(1)));
}

export function removed(draft: Draft, place: number): Draft {
  const stages = arrayAt(draft.definition, "stages");
  return withStages(draft, spliced(stages, place, 1), spliced(draft.keys, place, 1));
}

export function moved(draft: Draft, from: number, to: number): Draft {
  const stages = [...arrayAt(draft.definition, "stages")];
  const keys = [...draft.keys];
  if (from < 0 || to < 0 || from >= stages.length || to >= stages.length) return draft;
  stages.splice(to, 0, ...stages.splice(from, 1));
  keys.splice(to, 0, ...keys.splice(from, 1));
  return withStages(draft, stages, keys);
}

/* The same stage again, behind itself; its name must be its own. */
export function doubled(draft: Draft, place: number): Draft {
  const { name: _name, ...copy } = objectAt(arrayAt(draft.definition, "stages")[place]);
  return inserted(draft, place + 1, copy);
}

/* The names that the server will give: `use`, `use-2`, … where none is given. */
export function stageNames(definition: JsonObject): string[] {
  const counts = new Map<string, number>();
  return arrayAt(definition, "stages").map((stage) => {
    const use = useOf(stage);
    const nth = (counts.get(use) ?? 0) + 1;
    counts.set(use, nth);
    const given = objectAt(stage).name;
    if (typeof given === "string" && given !== "") return given;
    return nth < 2 ? use || "stage" : `${use}-${nth}`;
  });
}

const MIB = 2 ** 20;

/* What a stage has beside its own parameters. */
export const stageFields: Field[] = [
  field("name", "text", { label: "Name",
    description: "names the stage in counts and when it is rescaled; otherwise that of the stage it uses" }),
  field(["queue", "items"], "number", { label: "Queue: items", default: 1024, minimum: 1,
    range: "1 to 1,000,000", description: "how many items may wait in front of it" }),
  field(["queue", "bytes"], "unit", { label: "Queue: bytes", default: 16 * MIB, unit: "bytes",
    description: "how much they may take; the first bound that is reached counts" }),
  field(["retry", "attempts"], "number", { label: "Attempts", default: 3, minimum: 1,
    description: "counts the first one; only failures that may pass are tried again" }),
  field(["retry", "backoff_ms"], "unit", { label: "First wait", default: 200, unit: "ms",
    description: "before the second attempt; then it doubles, with jitter" }),
  field(["retry", "max_backoff_ms"], "unit", { label: "Longest wait", default: 30_000, unit: "ms",
    description: "between two attempts" }),
  field("timeout_ms", "unit", { label: "Timeout", unit: "ms", examples: ["none"],
    description: "for one item and attempt" }),
  field("on_error", "choice", { label: "When attempts are used up", default: "dead_letter",
    choices: ["dead_letter", "drop", "fail"],
    description: "dead_letter: kept under Failures; drop: only counted; fail: the job fails" }),
  field(["rate", "per_second"], "number", { label: "Rate", examples: ["no limit"],
    description: "at most so many items a second; delays, never drops" }),
];

export const WORKERS_MAX = 10_000;

export const orderField = field("order", "choice", { label: "Order of the results",
  default: "none", choices: ["none", "input"],
  description: "input: in the order of the items, however many workers; none: as they are ready" });

/* What the job has beside its name, labels and stages. */
export const jobFields: Field[] = [
  orderField,
  field(["limits", "max_failures"], "number", { label: "Most failures", examples: ["no limit"],
    description: "with one more failed item the job fails" }),
  field(["limits", "max_failure_ratio"], "number", { label: "Largest share of failures",
    range: rangeOf(0, 1), examples: ["no limit"],
    description: "0.05 is 5 %; looked at from 100 items on" }),
  field(["limits", "deadline_ms"], "unit", { label: "Deadline", unit: "ms", examples: ["none"],
    description: "a job that takes longer fails; since its creation" }),
  field(["backlog", "bytes"], "unit", { label: "Backlog", default: 256 * MIB, unit: "bytes",
    description: "accepted input that may wait on disk; beyond it uploads wait" }),
  field("retention_ms", "unit", { label: "Keep results for", unit: "ms",
    examples: ["the server's setting"],
    description: "how long results and failures stay after the end" }),
];

function withoutDefaults(object: JsonObject, fields: Field[]): JsonObject {
  let left: Json | undefined =
    Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
  for (const each of fields) {
    const value = each.path.reduce<Json | undefined>((inner, key) => objectAt(inner)[key], left);
    if (value === null || (each.default !== undefined && same(value, each.default)))
      left = put(left, each.path, undefined);
  }
  return objectAt(left);
}

function stageWithoutDefaults(stage: Json, name: string, catalogue: Catalogue): Json {
  if (!isObject(stage)) return stage;
  const rest = withoutDefaults(stage, stageFields);
  const params = withoutDefaults(objectAt(stage, "params"),
    fieldsOf(catalogue.get(useOf(stage))?.params as Json | undefined));
  if (rest.name === name) delete rest.name;
  if (rest.workers === 1 && rest.scaled !== true) delete rest.workers;
  delete rest.scaled;
  delete rest.params;
  return Object.keys(params).length > 0 ? { ...rest, params } : rest;
}

/* A definition as the server keeps it, with every default filled in, as a person would write it. */
export function simplified(definition: JsonObject, catalogue: Catalogue): JsonObject {
  const rest = withoutDefaults(definition, jobFields);
  const unnamed = arrayAt(definition, "stages").map((stage) => {
    const { name: _name, ...other } = objectAt(stage);
    return other;
  });
  const names = stageNames({ stages: unnamed });
  if (rest.name === "") delete rest.name;
  if (Object.keys(objectAt(rest, "labels")).length === 0) delete rest.labels;
  return {
    ...rest,
    stages: arrayAt(definition, "stages").map((stage, index) =>
      stageWithoutDefaults(stage, names[index] ?? "", catalogue)),
  };
}
