/* Beside the form: whether it can go, the definition as JSON, and the same as commands. */
import { token } from "../api";
import { plural } from "../format";
import { navigate } from "../router";
import { Button } from "../ui/button";
import { Copy } from "../ui/copy";
import { Foreign } from "../ui/foreign";
import { useState } from "preact/hooks";
import { idOf, isMissing } from "./fields";
import { script } from "./shell";
import {
  clear, create, definition, editRaw, hasSink, hasSource, input, mistakes, rawText, rawWrong,
  skipInvalid, trouble, verdict,
} from "./state";
import { startUpload } from "./upload";

/* The field that a pointer means, or the nearest thing around it. */
function goTo(pointer: string): void {
  for (let at = pointer; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
    const found = document.getElementById(idOf([]) + at);
    if (!found) continue;
    const folded = found.closest("details");
    if (folded) folded.open = true;
    found.focus();
    found.scrollIntoView({ block: "center" });
    return;
  }
  document.getElementById("definition")?.focus();
}

function Mistakes() {
  const all = [...mistakes.value];
  return (
    <ul class="mistakes">
      {all.map(([pointer, detail]) => (
        <li key={pointer} class={isMissing(detail) ? "missing" : "wrong"}>
          <button type="button" onClick={() => goTo(pointer)}>
            <code><Foreign text={pointer || "/"} most={80} /></code>
          </button>{" "}
          <Foreign text={detail} />
        </li>
      ))}
    </ul>
  );
}

function words(): [string, string] {
  if (rawWrong.value) return ["bad", "The JSON below is not whole yet"];
  const all = [...mistakes.value.values()];
  const missing = all.filter(isMissing).length;
  switch (verdict.value) {
    case "empty": return ["none", "Add a stage to begin"];
    case "checking": return ["checking", "Checking…"];
    case "good": return ["good", "Ready to go"];
    case "unknown": return ["bad", trouble.value ?? ""];
    default:
      if (all.length === 0) return ["bad", trouble.value ?? "This is refused"];
      if (missing === all.length) return ["missing", `${plural(missing, "thing")} to fill in`];
      return ["bad", `${plural(all.length, "mistake")} to mend`];
  }
}

const signs: Record<string, string> = {
  none: "○", checking: "…", good: "✓", missing: "○", bad: "✕",
};

async function go(): Promise<void> {
  const sent = input.value;
  const job = await create();
  if (!job) return;
  if (sent.length > 0) startUpload(job.id, job.name || job.id, sent, skipInvalid.value);
  clear();
  navigate(`#/jobs/${encodeURIComponent(job.id)}`);
}

function buttonText(): string {
  const count = input.value.length;
  if (hasSource.value) return "Start the job";
  return count === 0 ? "Create the job" : `Create and send ${plural(count, "file")}`;
}

function Verdict() {
  const [busy, setBusy] = useState(false);
  const [kind, text] = words();
  return (
    <section class="panel verdict" aria-label="Create">
      <div class="verdict-head">
        <span class={`verdict-text ${kind}`} role="status">
          <span aria-hidden="true">{signs[kind]}</span> {text}
        </span>
        <Button kind="primary" disabled={busy || verdict.value !== "good" || rawWrong.value !== null}
          onClick={() => {
            setBusy(true);
            void go().finally(() => setBusy(false));
          }}>{buttonText()}</Button>
      </div>
      <Mistakes />
    </section>
  );
}

function Raw() {
  return (
    <section class="panel" aria-labelledby="raw-title">
      <div class="panel-head">
        <h2 id="raw-title"><label for="definition">Definition</label></h2>
        <div class="actions"><Copy text={() => rawText.value} label="Copy the definition">Copy</Copy></div>
      </div>
      <textarea id="definition" class="code" spellcheck={false} value={rawText.value}
        rows={Math.min(24, Math.max(6, rawText.value.split("\n").length + 1))}
        aria-invalid={rawWrong.value !== null} aria-describedby="definition-wrong"
        onInput={(event) => editRaw(event.currentTarget.value)} />
      <p class="raw-wrong" id="definition-wrong" aria-live="polite">{rawWrong.value}</p>
    </section>
  );
}

function Commands() {
  const text = script({
    origin: location.origin, definition: definition.value, source: hasSource.value,
    sink: hasSink.value, skipInvalid: skipInvalid.value, token: token() !== null,
    input: input.value.map(({ name, contentType, contentEncoding }) => ({ name, contentType, contentEncoding })),
  });
  return (
    <section class="panel" aria-labelledby="commands-title">
      <div class="panel-head">
        <h2 id="commands-title">The same with curl</h2>
        <div class="actions"><Copy text={text} label="Copy the commands">Copy</Copy></div>
      </div>
      <pre class="code" id="commands" tabIndex={0} role="region" aria-label="Commands"><bdi>{text}</bdi></pre>
    </section>
  );
}

export function Side() {
  return (
    <aside class="compose-side" aria-label="Definition and commands">
      <Verdict />
      <Raw />
      <Commands />
    </aside>
  );
}
