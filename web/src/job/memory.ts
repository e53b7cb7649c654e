/* The server's memory over the last minutes: read every few seconds while somebody looks. */
import { api } from "../api";
import type { Series } from "../ui/chart";

const EVERY_MS = 2000;
const KEPT = 400;

interface Reading {
  at: number;
  memory: Record<string, number>;
}

const readings: Reading[] = [];
const names: Record<string, string> = { slab_bytes: "items", rss_bytes: "whole process" };

async function read(): Promise<void> {
  const server = await api.server();
  const memory = server.memory as Record<string, number> | undefined;
  if (!memory) return;
  readings.push({ at: Date.now(), memory });
  readings.splice(0, Math.max(0, readings.length - KEPT));
}

/* Reads until the function it returns is called. */
export function readMemory(): () => void {
  let stopped = false;
  let timer: ReturnType<typeof setTimeout>;
  const next = async () => {
    if (!document.hidden) await read().catch(() => undefined); /* the banner says it */
    if (!stopped) timer = setTimeout(() => void next(), EVERY_MS);
  };
  void next();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

/* The reading that held at each of these times; none is older than three rounds. */
export function memoryOf(times: readonly number[]): Series[] {
  const keys = Object.keys(names).filter((key) => readings.some((each) => key in each.memory));
  return keys.map((key) => {
    let at = 0;
    const values = times.map((time) => {
      while (at + 1 < readings.length && readings[at + 1]!.at <= time) at += 1;
      const reading = readings[at];
      const near = reading && Math.abs(time - reading.at) < 3 * EVERY_MS;
      return near ? (reading.memory[key] ?? null) : null;
    });
    return { name: names[key]!, values };
  });
}
