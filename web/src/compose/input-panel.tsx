/* Where the items come from: a file, the clipboard, or later over HTTP. */
import { useRef, useState } from "preact/hooks";
import { bytes } from "../format";
import { Button } from "../ui/button";
import { Foreign } from "../ui/foreign";
import { pick, type Picked } from "./input";
import {
  files, hasSource, input, inputMode, pasteText, skipInvalid, stages, type InputMode,
} from "./state";
import { useOf } from "./draft";

const modes: [InputMode, string][] = [
  ["file", "Files"], ["paste", "Paste"], ["later", "Later, over HTTP"],
];

async function take(list: FileList | null | undefined): Promise<void> {
  const picked = await Promise.all(Array.from(list ?? [], pick));
  files.value = [...files.value, ...picked];
  if (picked.length > 0) inputMode.value = "file";
}

function formatOf(one: Picked): string {
  const kind = one.contentType === "application/json" ? "JSON" : "one item a line";
  return one.contentEncoding ? `${one.contentEncoding}, ${kind}` : kind;
}

function Chosen({ one, index }: { one: Picked; index: number }) {
  return (
    <li class="chosen">
      <div class="chosen-head">
        <strong><Foreign text={one.name} most={80} /></strong>
        <span class="muted small">{bytes(one.body.size)}, {formatOf(one)}</span>
        <Button small kind="quiet" label={`Take away ${one.name}`}
          onClick={() => (files.value = files.value.toSpliced(index, 1))}>✕</Button>
      </div>
      {one.doubt && <p class="doubt">{one.doubt}</p>}
    </li>
  );
}

function Files() {
  const chooser = useRef<HTMLInputElement>(null);
  return (
    <>
      <div class="drop">
        <span>Drop NDJSON or a JSON array here, plain, <code>.gz</code> or <code>.zst</code></span>
        <Button onClick={() => chooser.current?.click()}>Choose files…</Button>
        <input ref={chooser} class="visually-hidden" type="file" multiple tabIndex={-1}
          aria-label="Files with items" onChange={(event) => {
            void take(event.currentTarget.files);
            event.currentTarget.value = "";
          }} />
      </div>
      {files.value.length > 0 && (
        <ul class="chosen-list">
          {files.value.map((one, index) => <Chosen key={index} one={one} index={index} />)}
        </ul>
      )}
    </>
  );
}

function Paste() {
  const [one] = input.value;
  return (
    <div class="field">
      <label for="paste">Items, one JSON text a line, or one array</label>
      <textarea id="paste" class="input mono" rows={7} spellcheck={false} value={pasteText.value}
        placeholder={'{"id":1,"text":"a"}\n{"id":2,"text":"b"}'}
        onInput={(event) => (pasteText.value = event.currentTarget.value)} />
      {one?.doubt && <p class="doubt">{one.doubt}</p>}
    </div>
  );
}

function Preview() {
  const samples = input.value.flatMap((each) => each.sample).slice(0, 3);
  if (samples.length === 0) return null;
  return (
    <figure class="preview">
      <figcaption class="muted small">It begins with</figcaption>
      {samples.map((each, index) => (
        <code key={index}><Foreign text={each} most={240} /></code>
      ))}
    </figure>
  );
}

export function InputPanel() {
  const [over, setOver] = useState(false);
  if (hasSource.value)
    return (
      <section class="panel" aria-labelledby="input-title">
        <div class="panel-head"><h2 id="input-title">Items</h2></div>
        <p class="panel-body muted">They come from the source <strong>{useOf(stages.value[0])}</strong>: there is nothing to send.</p>
      </section>
    );
  return (
    <section class={`panel input-panel${over ? " over" : ""}`} aria-labelledby="input-title"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
      }}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer?.files);
      }}>
      <div class="panel-head">
        <h2 id="input-title">Items</h2>
        <div class="segments" role="group" aria-label="Where the items come from">
          {modes.map(([mode, word]) => (
            <Button key={mode} small pressed={inputMode.value === mode}
              onClick={() => (inputMode.value = mode)}>{word}</Button>
          ))}
        </div>
      </div>
      <div class="panel-body input-body">
        {inputMode.value === "file" && <Files />}
        {inputMode.value === "paste" && <Paste />}
        {inputMode.value === "later" && (
          <p class="muted">The job is made and waits for items; send them with the commands beside, as often as you like.</p>
        )}
        <Preview />
        {inputMode.value !== "later" && (
          <label class="check">
            <input type="checkbox" checked={skipInvalid.value}
              onChange={(event) => (skipInvalid.value = event.currentTarget.checked)} />
            Pass over lines that are not JSON (otherwise the first one ends the upload)
          </label>
        )}
      </div>
    </section>
  );
}
