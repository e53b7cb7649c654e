/* Which registered stages are sources and sinks: read once, when first asked for. */
import { signal } from "@preact/signals";
import { api } from "./api";

export const stageKinds = signal<ReadonlyMap<string, "source" | "map" | "sink">>(new Map());

let asked = false;

export async function readStageKinds(): Promise<void> {
  if (asked) return;
  asked = true;
  try {
    const { items } = await api.stages();
    stageKinds.value = new Map(items.map((stage) => [stage.name, stage.kind]));
  } catch {
    asked = false; /* it is drawn without; the next page asks again */
  }
}
