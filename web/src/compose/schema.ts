/*
 * Forms from JSON Schema: what a parameter table of a stage may say (server/plugin/params_schema.c)
 * becomes a list of fields; what it may say beyond that is edited as JSON. A field turns text
 * into a value and back. Text that is no such value is handed on as it is: the server judges.
 */
import { isObject, parse, type Json, type JsonObject } from "./json";
import { parseUnit, showUnit, type Unit } from "./units";

export type Kind = "text" | "number" | "unit" | "choice" | "flag" | "list" | "map" | "json" | "either";

export interface Field {
  /* below the object that the form is about: ["field"], ["retry", "attempts"] */
  path: string[];
  label: string;
  kind: Kind;
  required: boolean;
  description: string;
  /* what values there may be: "1 to 10,000" */
  range: string;
  default?: Json;
  choices: Json[];
  examples: string[];
  unit?: Unit;
  integer: boolean;
  minimum?: number;
  maximum?: number;
  variants: Field[];
}

export function field(path: string | string[], kind: Kind, more: Partial<Field> = {}): Field {
  const parts = typeof path === "string" ? [path] : path;
  return {
    path: parts, kind, label: parts.at(-1) ?? "", required: false, integer: false, description: "", range: "",
    choices: [], examples: [], variants: [], ...more,
  };
}

const shown = new Intl.NumberFormat("en");

function number(value: Json | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

export function rangeOf(minimum?: number, maximum?: number): string {
  if (minimum !== undefined && maximum !== undefined)
    return `${shown.format(minimum)} to ${shown.format(maximum)}`;
  if (minimum !== undefined) return `at least ${shown.format(minimum)}`;
  return maximum === undefined ? "" : `at most ${shown.format(maximum)}`;
}

function isStrings(schema: Json | undefined): boolean {
  return isObject(schema) && schema.type === "string";
}

function kindOf(schema: JsonObject): Kind {
  if (Array.isArray(schema.enum)) return "choice";
  if (Array.isArray(schema.oneOf) || Array.isArray(schema.anyOf)) return "either";
  switch (schema.type) {
    case "string": return "text";
    case "integer":
    case "number": return "number";
    case "boolean": return "flag";
    case "array": return isStrings(schema.items) ? "list" : "json";
    case "object":
      return isStrings(schema.additionalProperties) && !isObject(schema.properties) ? "map" : "json";
    default: return "json";
  }
}

const variantNames: Partial<Record<Kind, string>> = {
  list: "a list", map: "names and values", text: "a text", number: "a number", flag: "yes or no",
};

function variantsOf(name: string, schema: JsonObject): Field[] {
  const list = schema.oneOf ?? schema.anyOf;
  if (!Array.isArray(list)) return [];
  return list.filter(isObject).map((each) => {
    const variant = fieldOf(name, each, false);
    return { ...variant, label: variantNames[variant.kind] ?? "JSON" };
  });
}

export function fieldOf(name: string, schema: JsonObject, required: boolean): Field {
  const kind = kindOf(schema);
  const minimum = number(schema.minimum);
  const maximum = number(schema.maximum);
  return field(name, kind, {
    required, minimum, maximum, integer: schema.type === "integer",
    description: typeof schema.description === "string" ? schema.description : "",
    range: rangeOf(minimum, maximum),
    default: schema.default,
    choices: Array.isArray(schema.enum) ? schema.enum : [],
    examples: Array.isArray(schema.examples)
      ? schema.examples.filter((each) => typeof each === "string") : [],
    variants: variantsOf(name, schema),
  });
}

/* The fields of an object's schema, as it lists them. */
export function fieldsOf(schema: Json | undefined): Field[] {
  if (!isObject(schema) || !isObject(schema.properties)) return [];
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(schema.properties).map(([name, each]) =>
    fieldOf(name, isObject(each) ? each : {}, required.includes(name)));
}

/* What type a table of parameters gives. */
export function typeName(of: Field): string {
  switch (of.kind) {
    case "text": return "string";
    case "flag": return "boolean";
    case "choice": return "one of";
    case "list": return "strings";
    case "map": return "object of strings";
    case "either": return of.variants.map(typeName).join(" or ");
    case "json": return "any JSON";
    default: return of.integer ? "integer" : "number";
  }
}

const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

/* What the text in an input means; undefined: nothing is given. */
export function valueOf(of: Field, text: string): Json | undefined {
  if (of.kind === "list") {
    const lines = text.split("\n").map((each) => each.trim()).filter(Boolean);
    return lines.length > 0 ? lines : undefined;
  }
  if (of.kind === "text") return text === "" ? undefined : text;
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  switch (of.kind) {
    case "number": return NUMBER.test(trimmed) ? Number(trimmed) : text;
    case "unit": return parseUnit(trimmed, of.unit ?? "ms") ?? text;
    case "choice": return of.choices.find((each) => textOf(of, each) === text) ?? text;
    case "flag": return trimmed === "true" ? true : trimmed === "false" ? false : text;
    default: {
      const value = parse(trimmed);
      return value === undefined ? text : value;
    }
  }
}

/* The text that stands in an input for a value. */
export function textOf(of: Field, value: Json | undefined): string {
  if (value === undefined) return "";
  if (of.kind === "list" && Array.isArray(value))
    return value.map((each) => (typeof each === "string" ? each : JSON.stringify(each))).join("\n");
  if (of.kind === "unit" && typeof value === "number") return showUnit(value, of.unit ?? "ms");
  if (typeof value !== "string") return JSON.stringify(value);
  /* In a field for any JSON, a string that reads like another value needs its quotes. */
  return of.kind === "json" && parse(value) !== undefined ? JSON.stringify(value) : value;
}

/* Which variant of an `either` a value is. */
export function variantOf(of: Field, value: Json | undefined): number {
  const fits = (each: Field) => {
    switch (each.kind) {
      case "list": return Array.isArray(value);
      case "map": return isObject(value);
      case "number": return typeof value === "number";
      case "flag": return typeof value === "boolean";
      case "text": return typeof value === "string";
      default: return false;
    }
  };
  return Math.max(0, of.variants.findIndex(fits));
}
