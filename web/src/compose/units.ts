/* Sizes and times as people write them; on the wire they are bytes and milliseconds. */
export type Unit = "bytes" | "ms";

const factors: Record<Unit, [string, number][]> = {
  bytes: [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10], ["B", 1]],
  ms: [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1000], ["ms", 1]],
};

/* "16 MiB" and "16m" are 16777216, "1.5 s" is 1500; a bare number is the unit itself. */
export function parseUnit(text: string, unit: Unit): number | undefined {
  const found = /^([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (!found) return undefined;
  const word = (found[2] ?? "").toLowerCase();
  const fits = factors[unit].find(([name]) => {
    const full = name.toLowerCase();
    return word === full || (unit === "bytes" && (word === full[0] || word === full[0] + "b"));
  });
  const factor = word === "" ? 1 : fits?.[1];
  if (factor === undefined) return undefined;
  const value = Number(found[1]) * factor;
  return Number.isSafeInteger(value) ? value : Math.round(value);
}

/* The largest unit that says it exactly: 16777216 is "16 MiB", 1500 is "1500 ms". */
export function showUnit(value: number, unit: Unit): string {
  const fits = factors[unit].find(([, factor]) => value >= factor && value % factor === 0);
  return fits ? `${value / fits[1]} ${fits[0]}` : `${value} ${unit === "ms" ? "ms" : "B"}`;
}
