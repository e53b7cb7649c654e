import { signal, type ReadonlySignal } from "@preact/signals";

/* Whether a media query holds, as a signal. */
function media(query: string): ReadonlySignal<boolean> {
  const list = matchMedia(query);
  const holds = signal(list.matches);
  list.addEventListener("change", () => (holds.value = list.matches));
  return holds;
}

/* The one width at which tables become cards; the style sheets name it too. */
export const narrow = media("(max-width: 720px)");
