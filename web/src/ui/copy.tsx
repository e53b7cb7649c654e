/* Copying to the clipboard; where the browser does not allow that (plain http), the text is shown. */
import { useState } from "preact/hooks";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { toast } from "./toast";

interface Props {
  text: string | (() => string);
  children: string;
  label?: string;
  small?: boolean;
}

export function Copy({ text, children, label, small = true }: Props) {
  const [shown, show] = useState<string | null>(null);
  const copy = async () => {
    const value = typeof text === "function" ? text() : text;
    try {
      await navigator.clipboard.writeText(value);
      toast("Copied");
    } catch {
      show(value);
    }
  };
  return (
    <>
      <Button small={small} onClick={copy} label={label}>{children}</Button>
      {shown !== null && (
        <Dialog title={children} onClose={() => show(null)} wide>
          <textarea class="copy-text" readOnly rows={6} aria-label={children} value={shown}
            ref={(element) => element?.select()} />
          <div class="actions end"><Button onClick={() => show(null)}>Close</Button></div>
        </Dialog>
      )}
    </>
  );
}
