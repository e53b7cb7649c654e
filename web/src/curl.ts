/* The same request from a shell. */

/* Safe inside a POSIX shell whatever it contains. */
export function quote(text: string): string {
  if (/^[A-Za-z0-9_./:=@%+,-]+$/.test(text)) return text;
  return "'" + text.replaceAll("'", `'\\''`) + "'";
}

interface Request {
  method?: string;
  url: string;
  headers?: Record<string, string>;
  data?: string;
  /* more words, put as they are: ["-T", "items.ndjson"] */
  args?: string[];
  token?: boolean;
}

/* The token itself never stands in it: it comes from the environment. */
export function curl(request: Request): string {
  const words = ["curl", "-sS"];
  if (request.method) words.push("-X", request.method);
  if (request.token) words.push("-H", '"Authorization: Bearer $LEAT_TOKEN"');
  for (const [name, value] of Object.entries(request.headers ?? {}))
    words.push("-H", quote(`${name}: ${value}`));
  words.push(...(request.args ?? []).map(quote));
  words.push(quote(request.url));
  if (request.data !== undefined) words.push("--data-binary", quote(request.data));
  return words.join(" ");
}
