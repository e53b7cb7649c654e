/*
 * Text that came with an item or a job is never trusted: it is shown as text, cut where it is
 * long, with what cannot be seen or would turn the line around made visible.
 */

/* Controls, zero-width characters, line separators, bidi marks, overrides and isolates, BOM, tags. */
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu;

export const CUT = 2000;

function name(char: string): string {
  const code = char.codePointAt(0)!;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code); /* ␀ to ␟ */
  if (code === 0x7f) return "␡";
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/* Keeps line ends and tabs where `lines` says that they are wanted. */
export function visible(text: string, lines = false): string {
  return text.replace(UNSEEN, (char) =>
    lines && (char === "\n" || char === "\t") ? char : name(char),
  );
}

/* At most `most` UTF-16 units, never half a character; says how much is left out. */
export function cut(text: string, most = CUT): { text: string; rest: number } {
  if (text.length <= most) return { text, rest: 0 };
  const last = text.charCodeAt(most - 1);
  const end = last >= 0xd800 && last <= 0xdbff ? most - 1 : most;
  return { text: text.slice(0, end), rest: text.length - end };
}
