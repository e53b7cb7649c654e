/* The stages there are, to choose from. */
import { useState } from "preact/hooks";
import { Foreign } from "../ui/foreign";
import type { StageKind } from "../types";
import { addStage, catalogue, hasSink, hasSource } from "./state";

const headings: [StageKind["kind"], string][] = [
  ["map", "Work on items"], ["source", "Make items: goes first"], ["sink", "Take all of it: goes last"],
];

/* A pipeline has one source and one sink. */
function taken(kind: StageKind["kind"]): boolean {
  return kind === "source" ? hasSource.value : kind === "sink" ? hasSink.value : false;
}

function matches(stage: StageKind, words: string): boolean {
  const text = `${stage.name} ${stage.summary ?? ""}`.toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

export function Palette() {
  const [search, setSearch] = useState("");
  const all = [...(catalogue.value?.values() ?? [])];
  const found = all.filter((each) => matches(each, search));
  return (
    <section class="panel palette" aria-labelledby="palette-title">
      <div class="panel-head">
        <h2 id="palette-title">Add a stage</h2>
        <input class="input palette-search" type="search" placeholder="Search" value={search}
          aria-label="Search the stages" onInput={(event) => setSearch(event.currentTarget.value)}
          onKeyDown={(event) => {
            const [only] = found;
            if (event.key === "Enter" && found.length === 1 && only && !taken(only.kind)) addStage(only.name);
          }} />
      </div>
      <div class="palette-groups">
        {headings.map(([kind, title]) => {
          const group = found.filter((each) => each.kind === kind);
          if (group.length === 0) return null;
          return (
            <div key={kind} role="group" aria-label={title}>
              <h3 class="muted">{title}</h3>
              <div class="palette-stages">
                {group.map((each) => (
                  <button type="button" key={each.name} class="palette-stage" disabled={taken(kind)}
                    onClick={() => addStage(each.name)}>
                    <strong><Foreign text={each.name} most={60} /></strong>
                    <span><Foreign text={each.summary ?? ""} most={120} /></span>
                  </button>
                ))}
              </div>
            </div>
          );
        })}
        {found.length === 0 && <p class="muted">No stage is called so.</p>}
      </div>
    </section>
  );
}
