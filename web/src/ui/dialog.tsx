/* Dialogs are the browser's own <dialog>: it keeps the focus inside, Escape closes it. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Button } from "./button";

interface Props {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
  wide?: boolean;
}

/* Shown while it is rendered. */
export function Dialog({ title, children, onClose, wide }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    ref.current?.showModal();
  }, []);
  return (
    <dialog ref={ref} class={wide ? "dialog wide" : "dialog"} aria-labelledby={id}
      onClose={onClose}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

interface Question {
  title: string;
  text: ComponentChildren;
  action: string;
  danger?: boolean;
  answer(yes: boolean): void;
}

const question = signal<Question | null>(null);

/* Asks before something is lost: `if (await confirm({…})) …` */
export function confirm(asked: Omit<Question, "answer">): Promise<boolean> {
  question.peek()?.answer(false);
  return new Promise((resolve) => {
    question.value = { ...asked, answer: resolve };
  });
}

/* Stands once in the page. */
export function Confirmations() {
  const asked = question.value;
  if (!asked) return null;
  const close = (yes: boolean) => {
    question.value = null;
    asked.answer(yes);
  };
  return (
    <Dialog key={asked.title} title={asked.title} onClose={() => close(false)}>
      <div class="dialog-text">{asked.text}</div>
      <div class="actions end">
        <Button onClick={() => close(false)} autoFocus>Keep as it is</Button>
        <Button kind={asked.danger ? "danger" : "primary"} onClick={() => close(true)}>
          {asked.action}
        </Button>
      </div>
    </Dialog>
  );
}
