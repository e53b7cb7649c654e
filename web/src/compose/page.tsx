/*
 * New job: a pipeline is put together from the catalogue, judged by the server with every change,
 * and set going. `#/new?from=JOB` begins with that job's definition, `?use=STAGE` with a stage.
 */
import { useEffect } from "preact/hooks";
import { api, explain, request, tokenChanges } from "../api";
import { watch } from "../live";
import { replace, type Route } from "../router";
import { Button } from "../ui/button";
import { toast } from "../ui/toast";
import { catalogueOf, jobFields, simplified, useOf } from "./draft";
import { FieldInput, Pairs, idOf } from "./fields";
import { fieldNames } from "./input";
import { InputPanel } from "./input-panel";
import { at, pointer, type Json, type JsonObject } from "./json";
import { Palette } from "./palette";
import { field } from "./schema";
import { Side } from "./side";
import { StageCard } from "./stage-card";
import {
  addStage, canUndo, catalogue, change, check, definition, draft, input, mistakes, said, stages,
  startOver, undo, verdict,
} from "./state";

const SETTLED_MS = 200;
const nameField = field("name", "text", { label: "Name", examples: ["orders, tonight"],
  description: "for people; need not be unique" });

function useCatalogue(): void {
  useEffect(() => watch({
    events: null,
    pollMs: 5000,
    async read(signal) {
      const { items } = await api.stages(signal);
      catalogue.value = catalogueOf(items);
      if (verdict.peek() === "unknown") await check(signal);
    },
    ended: (error) => toast(explain(error), true),
  }), []);
}

/* Every change is judged as soon as typing pauses; an older judgement never overtakes it. */
function useChecks(): void {
  const now = definition.value;
  const tokens = tokenChanges.value;
  useEffect(() => {
    const controller = new AbortController();
    const timer = setTimeout(() => void check(controller.signal), SETTLED_MS);
    if (verdict.peek() === "good") verdict.value = "checking";
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [now, tokens]);
}

async function begin(from: string): Promise<void> {
  try {
    const reply = await request("GET", `/v1/jobs/${encodeURIComponent(from)}/definition`);
    startOver(simplified((await reply.json()) as JsonObject, catalogue.value ?? new Map()));
  } catch (error) {
    toast(`The definition of that job cannot be had: ${explain(error)}`, true);
  }
}

/* What the address asks for is done once, then it is an ordinary draft. */
function useBeginning(route: Route): void {
  const from = route.query.get("from");
  const use = route.query.get("use");
  const known = catalogue.value !== null;
  useEffect(() => {
    if (!known || (from === null && use === null)) return;
    if (use !== null) addStage(use);
    if (from !== null) void begin(from);
    replace("#/new");
  }, [known, from, use]);
}

function Pipeline() {
  const suggestions = fieldNames(input.value.flatMap((each) => each.sample));
  const keys = draft.value.keys;
  return (
    <section aria-labelledby="pipeline-title" class="pipeline">
      <div class="page-head">
        <h2 id="pipeline-title">Pipeline</h2>
        <span class="muted small">items run through it from top to bottom<span class="by-keys">; Alt+↑ and Alt+↓ move a stage</span></span>
        {canUndo.value && <Button small onClick={undo}>Undo</Button>}
      </div>
      {stages.value.length > 0 && (
        <ol class="stage-list">
          {stages.value.map((stage, index) => (
            <StageCard key={keys[index]} index={index} stage={stage} suggestions={suggestions}
              kind={catalogue.value?.get(useOf(stage))} />
          ))}
        </ol>
      )}
      <p class="visually-hidden" role="status">{said.value}</p>
      <Palette />
    </section>
  );
}

function Settings() {
  const set = (path: string[]) => (value: Json | undefined) => change(path, value);
  const wrong = jobFields.some((each) => mistakes.value.has(pointer(each.path)));
  const labelsWrong = [...mistakes.value].find(([where]) => where.startsWith("/labels"));
  return (
    <section class="panel" aria-labelledby="settings-title">
      <div class="panel-head"><h2 id="settings-title">Job</h2></div>
      <div class="panel-body">
        <div class="fields">
          <FieldInput of={nameField} path={["name"]} value={definition.value.name} onChange={set(["name"])} />
          <div class="field compose-field wide">
            <span class="field-label">Labels</span>
            <Pairs label="Label" names={["label", "value"]} value={definition.value.labels}
              onChange={set(["labels"])} id={idOf(["labels"])} />
            <span class="field-about">lists can be filtered by them</span>
            <span class="field-wrong">{labelsWrong?.join(" ")}</span>
          </div>
        </div>
        <details class="stage-more" open={wrong || undefined}>
          <summary>Order, limits, backlog, retention</summary>
          <div class="fields">
            {jobFields.map((each) => (
              <FieldInput key={each.path.join()} of={each} path={each.path}
                value={at(definition.value, each.path)} onChange={set(each.path)} />
            ))}
          </div>
        </details>
      </div>
    </section>
  );
}

export function NewJobPage({ route }: { route: Route }) {
  useCatalogue();
  useChecks();
  useBeginning(route);
  return (
    <div class="page">
      <div class="page-head">
        <h1>New job</h1>
        <div class="actions">
          {stages.value.length > 0 && <Button kind="quiet" onClick={() => startOver()}>Start over</Button>}
        </div>
      </div>
      <div class="compose">
        <div class="compose-form">
          <Pipeline />
          <InputPanel />
          <Settings />
        </div>
        <Side />
      </div>
    </div>
  );
}
