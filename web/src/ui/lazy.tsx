/*
 * A page whose code comes in a file of its own, when it is first wanted or when the browser has
 * nothing better to do: what is looked at first need not wait for the rest.
 */
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { Button } from "./button";

const waiting: (() => Promise<void>)[] = [];

export function lazy<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  const loaded = signal<ComponentType<Props> | null>(null);
  const failed = signal(false);
  const fetch = async () => {
    if (loaded.peek()) return;
    try {
      loaded.value = await load();
      failed.value = false;
    } catch {
      failed.value = true; /* the server is away, or serves another version by now */
    }
  };
  waiting.push(fetch);

  return function Lazy(props: Props) {
    useEffect(() => void fetch(), []);
    const Page = loaded.value;
    if (Page) return <Page {...props} />;
    if (!failed.value) return <div class="page" aria-busy="true" />;
    return (
      <div class="page">
        <h1>This page could not be loaded</h1>
        <p role="alert">The server did not answer, or has been replaced by another version.</p>
        <div class="actions"><Button onClick={() => location.reload()}>Load again</Button></div>
      </div>
    );
  };
}

/* Fetches all of them, one after the other, once the page has come to rest. */
export function fetchWhenIdle(): void {
  const next = async () => {
    for (const fetch of waiting) await fetch();
  };
  setTimeout(() => void next(), 1500);
}
