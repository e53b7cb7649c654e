/* One stage of the pipeline that is being composed. */
import type { StageKind } from "../types";
import { Button } from "../ui/button";
import { Foreign } from "../ui/foreign";
import { Stepper } from "../ui/stepper";
import { at, isObject, pointer, type Json, type Path } from "./json";
import {
  doubled, moved, removed, stageFields, useOf, WORKERS_MAX,
} from "./draft";
import { FieldInput, idOf, isMissing } from "./fields";
import { field, fieldsOf, type Field } from "./schema";
import { change, draft, edit, mistakes, said, stages } from "./state";

const anyParams = field("params", "json", { label: "Parameters",
  description: "as JSON: this server has no such stage, so nothing is known of them" });

const set = (path: Path) => (value: Json | undefined) => change(path, value);

/* The same control of the same stage, where it stands now; a button that is off gives it on. */
function focusAfterMove(from: number, to: number): void {
  const old = document.activeElement?.id ?? "";
  const before = idOf(["stages", from]);
  if (!old.startsWith(before)) return;
  const find = (id: string) => document.getElementById(id) as HTMLButtonElement | null;
  requestAnimationFrame(() => {
    const now = idOf(["stages", to]);
    const next = find(now + old.slice(before.length));
    (next && !next.disabled ? next : find(now + (old.endsWith("#up") ? "#down" : "#up")))?.focus();
  });
}

function move(from: number, by: number): void {
  const to = from + by;
  if (to < 0 || to >= stages.value.length) return;
  focusAfterMove(from, to);
  said.value = `${useOf(stages.value[from])} is now stage ${to + 1} of ${stages.value.length}`;
  edit(moved(draft.value, from, to), true);
}

function Buttons({ index, name }: { index: number; name: string }) {
  const id = idOf(["stages", index]);
  const last = stages.value.length - 1;
  return (
    <div class="actions stage-buttons">
      <button type="button" id={`${id}#up`} class="button quiet small" disabled={index === 0}
        aria-label={`Move ${name} up`} title="Up (Alt+↑)" onClick={() => move(index, -1)}>↑</button>
      <button type="button" id={`${id}#down`} class="button quiet small" disabled={index === last}
        aria-label={`Move ${name} down`} title="Down (Alt+↓)" onClick={() => move(index, 1)}>↓</button>
      <Button small kind="quiet" label={`Repeat ${name}`} title="The same stage again"
        onClick={() => edit(doubled(draft.value, index), true)}>
        <svg viewBox="0 0 16 16" width="14" height="14" class="icon-line" aria-hidden="true">
          <rect x="2" y="2" width="9" height="9" rx="1.5" />
          <path d="M5 14h7.5a1.5 1.5 0 0 0 1.5-1.5V5" />
        </svg>
      </Button>
      <Button small kind="quiet" label={`Remove ${name}`} title="Remove"
        onClick={() => {
          said.value = `${name} is removed`;
          edit(removed(draft.value, index), true);
        }}>✕</Button>
    </div>
  );
}

/* Mistakes about this stage that no field of it shows. */
function Others({ index, fields }: { index: number; fields: Path[] }) {
  const base = pointer(["stages", index]);
  const shown = fields.map(pointer);
  const others = [...mistakes.value].filter(([where]) =>
    (where === base || where.startsWith(base + "/")) &&
    !shown.some((each) => where === each || where.startsWith(each + "/")));
  if (others.length === 0) return null;
  return (
    <ul class="stage-others">
      {others.map(([where, detail]) => (
        <li key={where}><code><Foreign text={where.slice(base.length)} /></code> <Foreign text={detail} /></li>
      ))}
    </ul>
  );
}

function openMistakes(index: number, fields: Field[]): boolean {
  return fields.some((each) => {
    const where = pointer(["stages", index, ...each.path]);
    const detail = mistakes.value.get(where);
    return detail !== undefined && !isMissing(detail);
  });
}

function More({ index, stage }: { index: number; stage: Json }) {
  const given = stageFields.filter((each) => at(stage, each.path) !== undefined).length;
  return (
    <details class="stage-more" open={openMistakes(index, stageFields) || undefined}>
      <summary>
        Queue, retries, timeout, errors
        {given > 0 && <span class="given"> {given} set</span>}
      </summary>
      <div class="fields">
        {stageFields.map((each) => {
          const path = ["stages", index, ...each.path];
          return <FieldInput key={each.path.join()} of={each} path={path}
            value={at(stage, each.path)} onChange={set(path)} />;
        })}
      </div>
    </details>
  );
}

function Workers({ index, stage, kind }: { index: number; stage: Json; kind: StageKind | undefined }) {
  const path = ["stages", index, "workers"];
  const value = at(stage, ["workers"]);
  const wrong = mistakes.value.get(pointer(path));
  return (
    <div class={`field workers${wrong ? " wrong" : ""}`} id={idOf(path)} tabIndex={-1}>
      <span class="field-label">Workers</span>
      <Stepper value={typeof value === "number" ? value : 1} min={1} max={WORKERS_MAX}
        label={`Workers of stage ${index + 1}`} onChange={set(path)} />
      <span class="field-about">
        {kind?.threads === "serial" ? "works on one item at a time, whatever stands here" : "items it works on at a time"}
      </span>
      <span class="field-wrong">{wrong}</span>
    </div>
  );
}

interface Props {
  index: number;
  stage: Json;
  kind: StageKind | undefined;
  suggestions: string[];
}

export function StageCard({ index, stage, kind, suggestions }: Props) {
  const use = useOf(stage);
  const params = fieldsOf(kind?.params as Json | undefined);
  const base: Path = ["stages", index];
  const shown = kind ? params : [{ ...anyParams, path: [] }];
  const fields = [
    ...shown.map((each) => [...base, "params", ...each.path]),
    ...stageFields.map((each) => [...base, ...each.path]), [...base, "workers"],
  ];
  const isPointer = (each: Field) => each.examples.includes("/nested/name");
  const title = `stage ${index + 1}, ${use || "unknown"}`;
  return (
    <li class="stage-card panel" id={idOf(base)} tabIndex={-1}
      onKeyDown={(event) => {
        if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
        event.preventDefault();
        move(index, event.key === "ArrowUp" ? -1 : 1);
      }}>
      <div class="stage-head">
        <span class="stage-place" aria-hidden="true">{index + 1}</span>
        <h3><Foreign text={use || "a stage"} most={60} /></h3>
        {kind && <span class={`kind ${kind.kind}`}>{kind.kind}</span>}
        <span class="muted small stage-summary">{kind?.summary}</span>
        <Buttons index={index} name={title} />
      </div>
      <div class="stage-body">
        {isObject(stage) && (
          <div class="fields">
            {shown.map((each) => {
              const path = [...base, "params", ...each.path];
              return <FieldInput key={each.path.join()} of={each} path={path}
                value={at(stage, ["params", ...each.path])} onChange={set(path)}
                suggestions={isPointer(each) ? suggestions : undefined} />;
            })}
            <Workers index={index} stage={stage} kind={kind} />
          </div>
        )}
        <Others index={index} fields={fields} />
        <More index={index} stage={stage} />
      </div>
    </li>
  );
}
