/* Text from outside (names, labels, errors, items): isolated, cut, nothing unseen in it. */
import { useState } from "preact/hooks";
import { count } from "../format";
import { cut, visible } from "../text";

interface Props {
  text: string;
  most?: number;
  lines?: boolean; /* line ends are kept */
}

export function Foreign({ text, most = 300, lines = false }: Props) {
  const shown = cut(text, most);
  return (
    <bdi class="foreign" title={shown.rest > 0 ? `${count(text.length)} characters` : undefined}>
      {visible(shown.text, lines)}
      {shown.rest > 0 ? "…" : ""}
    </bdi>
  );
}

const STEP = 20000;

/* A whole document, a piece at a time. */
export function ForeignBlock({ text, label }: { text: string; label: string }) {
  const [most, setMost] = useState(4000);
  const shown = cut(text, most);
  return (
    <div class="foreign-block">
      <pre tabIndex={0} role="region" aria-label={label}>
        <bdi>{visible(shown.text, true)}</bdi>
      </pre>
      {shown.rest > 0 && (
        <button type="button" class="button quiet small" onClick={() => setMost(most + STEP)}>
          Show more ({count(shown.rest)} characters left)
        </button>
      )}
    </div>
  );
}
