/* Short notices at the foot of the page, read out by screen readers. */
import { signal } from "@preact/signals";
import { explain } from "../api";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

const SHOWN_MS = 6000;
const MOST = 4;

const toasts = signal<Toast[]>([]);
let lastId = 0;

function drop(id: number): void {
  toasts.value = toasts.value.filter((each) => each.id !== id);
}

export function toast(text: string, bad = false): void {
  const id = ++lastId;
  toasts.value = [...toasts.value, { id, text, bad }].slice(-MOST);
  setTimeout(() => drop(id), bad ? SHOWN_MS * 2 : SHOWN_MS);
}

/* Runs what a button does: says what went wrong, and `done` when nothing did. */
export async function attempt<T>(what: () => Promise<T>, done?: string): Promise<T | undefined> {
  try {
    const value = await what();
    if (done) toast(done);
    return value;
  } catch (error) {
    toast(explain(error), true);
    return undefined;
  }
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((each) => (
        <div key={each.id} class={each.bad ? "toast bad" : "toast"}>
          <span>{each.text}</span>
          <button type="button" class="close" aria-label="Dismiss" onClick={() => drop(each.id)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
