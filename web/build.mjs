/*
 * build.mjs: bundles the dashboard.
 *
 *   node build.mjs --out DIR      writes DIR/index.html and DIR/assets/NAME-HASH.js|css, nothing else
 *   node build.mjs --serve        builds on every request and serves it on 127.0.0.1:5173 (PORT);
 *                                 all other paths go to a leat at LEAT_SERVER (http://127.0.0.1:8080)
 *
 * There is no inline script or style in what it writes: the page runs under the policy below.
 */
import { createServer, request as httpRequest } from "node:http";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const address = (path) => "/assets/" + path.split("/").at(-1);

/* What a file needs before it can run: fetched beside it, not after it. */
function statics(outputs, from, found = new Set()) {
  for (const { path, kind } of outputs[from].imports)
    if (kind === "import-statement" && !found.has(path)) statics(outputs, path, found.add(path));
  return found;
}

/* The files of the page: index.html first, by their paths below /. */
async function bundle({ minify }) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: { app: "src/main.tsx" },
    entryNames: "assets/[name]-[hash]",
    chunkNames: "assets/part-[hash]",
    outdir: "out",
    splitting: true,
    metafile: true,
    bundle: true,
    write: false,
    minify,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "error",
  });
  const files = result.outputFiles.map((file) => ({
    path: "assets/" + file.path.split("/").at(-1),
    contents: file.contents,
  }));
  const outputs = result.metafile.outputs;
  const [script, entry] = Object.entries(outputs).find(([, each]) => each.entryPoint === "src/main.tsx");
  const preload = [...statics(outputs, script)].map((path) =>
    `<link rel="modulepreload" href="${address(path)}">`);
  const html = (await readFile(join(here, "src/index.html"), "utf8"))
    .replace("{{style}}", address(entry.cssBundle))
    .replace("{{preload}}", preload.join("\n"))
    .replace("{{script}}", address(script));
  return [{ path: "index.html", contents: html }, ...files];
}

async function writeTo(out) {
  const files = await bundle({ minify: true });
  await rm(join(out, "assets"), { recursive: true, force: true });
  await mkdir(join(out, "assets"), { recursive: true });
  for (const file of files) await writeFile(join(out, file.path), file.contents);
}

const types = { html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css" };

/* The server refuses a change whose Origin is not its own: this one stands in for it. */
function forward(incoming, outgoing, target) {
  const headers = { ...incoming.headers, host: target.host };
  if (headers.origin) headers.origin = target.origin;
  const onward = httpRequest(
    new URL(incoming.url, target),
    { method: incoming.method, headers },
    (reply) => {
      outgoing.writeHead(reply.statusCode, reply.headers);
      reply.pipe(outgoing);
      reply.on("error", () => outgoing.destroy());
    },
  );
  onward.on("error", () => outgoing.destroy());
  outgoing.on("close", () => onward.destroy());
  incoming.pipe(onward);
}

function serve() {
  const target = new URL(process.env.LEAT_SERVER ?? "http://127.0.0.1:8080");
  const port = Number(process.env.PORT ?? 5173);
  let files = [];
  const server = createServer(async (incoming, outgoing) => {
    const path = new URL(incoming.url, "http://x").pathname.slice(1) || "index.html";
    try {
      if (path === "index.html") files = await bundle({ minify: false });
    } catch (error) {
      outgoing.writeHead(500, { "content-type": "text/plain" }).end(String(error));
      return;
    }
    const file = files.find((each) => each.path === path);
    if (!file) return forward(incoming, outgoing, target);
    outgoing.writeHead(200, {
      "content-type": types[path.split(".").at(-1)],
      "content-security-policy": policy,
      "cache-control": "no-store",
    });
    outgoing.end(file.contents);
  });
  server.listen(port, "127.0.0.1", () =>
    console.log(`dashboard on http://127.0.0.1:${port}, leat at ${target.origin}`),
  );
}

const [verb, out] = process.argv.slice(2);
if (verb === "--out" && out) await writeTo(out);
else if (verb === "--serve") serve();
else {
  console.error("usage: node build.mjs --out DIR | --serve");
  process.exitCode = 2;
}
