/* Numbers and times as people read them. Pure: no clock, no locale, no document. */

const DASH = "–";

/* 1234567 -> "1,234,567" */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

function significant(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toString();
  return value.toFixed(value >= 10 ? 1 : 2).replace(/\.?0+$/, "");
}

function scaled(value: number, step: number, units: string[]): [string, string] {
  let at = 0;
  while (value >= step * 0.9995 && at < units.length - 1) {
    value /= step;
    at += 1;
  }
  return [at === 0 ? significant(Math.round(value)) : significant(value), units[at]!];
}

/* 41230 -> "41,230", 412300 -> "412k": where there is no room for all digits */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (value < 0) return "-" + short(-value);
  if (value < 99999.5) return count(value);
  return scaled(value, 1000, ["", "k", "M", "G", "T"]).join("");
}

/* 16777216 -> "16 MiB" */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (value < 0) return "-" + bytes(-value);
  return scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]).join(" ");
}

/* 41230.5 -> "41,231/s" */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (value > 0 && value < 10) return significant(value) + "/s";
  return short(value) + "/s";
}

/* 0.694 -> "69 %"; never "100 %" of what is not whole, never "0 %" of what is not nothing */
export function percent(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  const rounded = Math.round(value * 100);
  if (rounded >= 100 && value < 1) return "99 %";
  if (rounded === 0 && value > 0) return "<1 %";
  return `${rounded} %`;
}

/* 3725 -> "1 h 2 min"; 1.54 -> "1.5 s"; 0.0042 -> "4.2 ms" */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return DASH;
  if (seconds < 0) return "-" + duration(-seconds);
  if (seconds === 0) return "0 s";
  if (seconds < 1) return micros(seconds * 1e6);
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 600) return parts(Math.floor(whole / 60), "min", whole % 60, "s");
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1440) return parts(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(whole / 3600);
  return parts(Math.floor(hours / 24), "d", hours % 24, "h");
}

function parts(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
}

/* 480 -> "480 µs"; 2210 -> "2.2 ms" */
export function micros(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (value >= 999500) return duration(value / 1e6);
  if (value >= 999.5) {
    const ms = value / 1000;
    return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  }
  if (value > 0 && value < 9.95) return `${value.toFixed(1).replace(/\.0$/, "")} µs`;
  return `${Math.round(value)} µs`;
}

/* How long ago, in one unit: "12 s", "5 min", "3 h", "2 d" */
export function age(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86400)} d`;
}

/* "2026-11-22 16:09:00" in the reader's zone */
export function clockTime(iso: string | null | undefined): string {
  if (!iso) return DASH;
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function plural(value: number, one: string, many = one + "s"): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}
