/* One result or failure, whole. */
import { clockTime, count, plural } from "../format";
import { pretty } from "../records/json";
import type { Entry } from "../records/read";
import { Button } from "../ui/button";
import { Copy } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { Foreign, ForeignBlock } from "../ui/foreign";

interface Props {
  entries: Entry[];
  at: number;
  to: (at: number | null) => void;
}

export function Detail({ entries, at, to }: Props) {
  const entry = entries[at]!;
  const { failure } = entry;
  return (
    <Dialog title={`${failure ? "Failure" : "Result"} of item ${count(entry.item)}`} wide
      onClose={() => to(null)}>
      {failure && (
        <dl class="detail-facts">
          <dt>Error</dt>
          <dd><Foreign text={failure.error} most={4000} lines /></dd>
          <dt>Where</dt>
          <dd>
            <Foreign text={failure.stage} /> · {failure.kind} · {plural(failure.attempts, "attempt")} ·{" "}
            {clockTime(failure.at)}
          </dd>
        </dl>
      )}
      {failure && <h3>Input</h3>}
      <ForeignBlock key={entry.cursor} text={pretty(entry.raw)} label={failure ? "Input" : "Result"} />
      <div class="actions">
        <Button small disabled={at === 0} onClick={() => to(at - 1)}>Previous</Button>
        <Button small disabled={at + 1 >= entries.length} onClick={() => to(at + 1)}>Next</Button>
        <Copy text={entry.raw}>Copy JSON</Copy>
        <span class="push"><Button small onClick={() => to(null)}>Close</Button></span>
      </div>
    </Dialog>
  );
}
