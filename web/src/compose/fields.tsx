/* One field of a form: label, input by its kind, what it means, and what is wrong with it. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { isObject, pointer, same, type Json, type JsonObject, type Path } from "./json";
import { textOf, valueOf, variantOf, type Field } from "./schema";
import { mistakes } from "./state";

export const idOf = (path: Path, more = "") => `at${pointer(path)}${more}`;

interface Props {
  of: Field;
  path: Path; /* of the value, in the definition */
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
  suggestions?: string[];
}

interface Shown extends Props {
  id: string;
  wrong: string | null;
  described: string;
  /* inside a group that the label is about */
  name?: string;
}

/* A mistake at the value itself or, for lists and the like, inside it. */
function mistakeAt(path: Path): string | null {
  const at = pointer(path);
  for (const [where, detail] of mistakes.value)
    if (where === at) return detail;
    else if (where.startsWith(at + "/")) return `${where.slice(at.length + 1)}: ${detail}`;
  return null;
}

export function isMissing(detail: string): boolean {
  return detail.startsWith("is missing");
}

/* The text in the input: what was typed, as long as it means the value. */
function useText(of: Field, value: Json | undefined): [string, (text: string) => void] {
  const [typed, type] = useState(() => textOf(of, value));
  return [same(valueOf(of, typed), value) ? typed : textOf(of, value), type];
}

function placeholderOf(of: Field): string {
  if (of.default !== undefined) return textOf(of, of.default) || "empty";
  return of.examples.length > 0 && !of.required ? of.examples[0]! : "";
}

function TextInput({ of, value, onChange, id, wrong, described, name, suggestions = [] }: Shown) {
  const [text, type] = useText(of, value);
  const isNumber = of.kind === "number" || of.kind === "unit";
  const list = suggestions.length > 0 ? `${id}?` : undefined;
  return (
    <>
      <input id={id} class="input" type="text" value={text} list={list} spellcheck={false}
        autocomplete="off" inputMode={of.kind === "number" ? "decimal" : undefined}
        placeholder={placeholderOf(of)} required={of.required} aria-invalid={wrong !== null}
        aria-describedby={described} aria-label={name} data-number={isNumber || undefined}
        onInput={(event) => {
          type(event.currentTarget.value);
          onChange(valueOf(of, event.currentTarget.value));
        }}
        onBlur={() => type(textOf(of, value))} />
      {list && (
        <datalist id={list}>{suggestions.map((each) => <option key={each} value={each} />)}</datalist>
      )}
    </>
  );
}

function TextArea({ of, value, onChange, id, wrong, described, name }: Shown) {
  const [text, type] = useText(of, value);
  return (
    <textarea id={id} class="input mono" rows={of.kind === "list" ? 3 : 2} value={text}
      spellcheck={false} placeholder={of.kind === "list" ? "one a line" : placeholderOf(of)}
      required={of.required} aria-label={name} aria-invalid={wrong !== null}
      aria-describedby={described}
      onInput={(event) => {
        type(event.currentTarget.value);
        onChange(valueOf(of, event.currentTarget.value));
      }} />
  );
}

function Choice({ of, value, onChange, id, wrong, described }: Shown) {
  const now = value ?? of.default;
  const texts = of.choices.map((each) => textOf(of, each));
  const text = now === undefined ? "" : textOf(of, now);
  return (
    <select id={id} class="select" value={text} required={of.required}
      aria-invalid={wrong !== null} aria-describedby={described}
      onChange={(event) => {
        const next = valueOf(of, event.currentTarget.value);
        onChange(same(next, of.default) ? undefined : next);
      }}>
      {of.default === undefined && <option value="">{of.required ? "choose…" : "–"}</option>}
      {!texts.includes(text) && text !== "" && <option value={text}>{text}</option>}
      {texts.map((each, index) => (
        <option key={each} value={each}>
          {each}{same(of.choices[index], of.default) ? " (default)" : ""}
        </option>
      ))}
    </select>
  );
}

function Flag({ of, value, onChange, id, wrong, described }: Shown) {
  return (
    <input id={id} type="checkbox" checked={(value ?? of.default) === true}
      aria-invalid={wrong !== null} aria-describedby={described}
      onChange={(event) => {
        const next = event.currentTarget.checked;
        onChange(next === (of.default ?? (of.required ? undefined : false)) ? undefined : next);
      }} />
  );
}

type Row = [string, string];

const rowsOf = (value: Json | undefined): Row[] =>
  isObject(value)
    ? Object.entries(value).map(([key, each]) => [key, typeof each === "string" ? each : JSON.stringify(each)])
    : [];

function rowsValue(rows: Row[]): JsonObject | undefined {
  const filled = rows.filter(([key]) => key !== "");
  return filled.length > 0 ? Object.fromEntries(filled) : undefined;
}

interface PairsProps {
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
  label: string;
  names: [string, string];
  id?: string;
}

/* An object of strings, a row for each member and an empty one to begin the next. */
export function Pairs({ value, onChange, label, names, id }: PairsProps) {
  const [typed, type] = useState<Row[]>(() => rowsOf(value));
  const rows = same(rowsValue(typed), value) ? typed : rowsOf(value);
  const shown: Row[] = rows.at(-1)?.[0] === "" ? rows : [...rows, ["", ""]];
  const set = (next: Row[]) => {
    type(next);
    onChange(rowsValue(next));
  };
  return (
    <div class="pairs" role="group" aria-label={label} id={id} tabIndex={-1}>
      {shown.map(([key, each], index) => (
        <div class="pair" key={index}>
          <input class="input" type="text" value={key} placeholder={names[0]} spellcheck={false}
            aria-label={`${label} ${index + 1}: ${names[0]}`} autocomplete="off"
            onInput={(event) => set(shown.with(index, [event.currentTarget.value, each]))} />
          <input class="input" type="text" value={each} placeholder={names[1]} spellcheck={false}
            aria-label={`${label} ${index + 1}: ${names[1]}`} autocomplete="off"
            onInput={(event) => set(shown.with(index, [key, event.currentTarget.value]))} />
          <button type="button" class="button quiet small" disabled={key === "" && each === ""}
            aria-label={`Remove ${label} ${index + 1}`} onClick={() => set(shown.toSpliced(index, 1))}>
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}

function Either(props: Shown) {
  const { of, value, onChange } = props;
  const [chosen, choose] = useState<number | null>(null);
  const now = value === undefined ? (chosen ?? 0) : variantOf(of, value);
  const variant = of.variants[now];
  return (
    <div class="either">
      <div class="segments" role="group" aria-label={`${of.label} is`}>
        {of.variants.map((each, index) => (
          <button type="button" key={index} class="button small" aria-pressed={index === now}
            onClick={() => {
              choose(index);
              if (index !== now) onChange(undefined);
            }}>{each.label}</button>
        ))}
      </div>
      {variant && <ByKind {...props} name={of.label} of={{ ...variant, required: of.required, label: of.label }} />}
    </div>
  );
}

function ByKind(props: Shown) {
  switch (props.of.kind) {
    case "choice": return <Choice {...props} />;
    case "flag": return <Flag {...props} />;
    case "list": return <TextArea {...props} />;
    case "map":
      return <Pairs value={props.value} onChange={props.onChange} label={props.of.label}
        names={["new name", "name or pointer"]} id={props.id} />;
    case "either": return <Either {...props} />;
    default: return <TextInput {...props} />;
  }
}

/* The name of a map's or a choice of kinds' group is no label of one input. */
function Label({ of, id, children }: { of: Field; id: string; children: ComponentChildren }) {
  return of.kind === "map" || of.kind === "either"
    ? <span class="field-label">{children}</span> : <label for={id}>{children}</label>;
}

export function FieldInput(props: Props) {
  const { of, path } = props;
  const id = idOf(path);
  const detail = mistakeAt(path);
  const missing = detail !== null && isMissing(detail);
  const about = [of.description, of.range].filter(Boolean).join("; ");
  const wide = of.kind === "map" || of.kind === "either" || of.kind === "list";
  return (
    <div class={`field compose-field${wide ? " wide" : ""}${detail ? (missing ? " missing" : " wrong") : ""}`}>
      <Label of={of} id={id}>
        {of.label}
        {of.required && <span class="required"> required</span>}
      </Label>
      <ByKind {...props} id={id} wrong={detail} described={`${id}~ ${id}!`} />
      <span class="field-about" id={`${id}~`}>{about}</span>
      <span class="field-wrong" id={`${id}!`} aria-live="polite">
        {detail === null ? "" : missing ? "still to fill in" : detail}
      </span>
    </div>
  );
}
