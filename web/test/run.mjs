/* run.mjs: checks the types, then bundles every *.test.ts and gives it to node's test runner. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const web = dirname(here);

function node(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: web, stdio: "inherit" });
  return status ?? 1;
}

async function bundled(folder) {
  const sources = readdirSync(here).filter((name) => name.endsWith(".test.ts"));
  await build({
    absWorkingDir: web,
    entryPoints: sources.map((name) => join(here, name)),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node18",
    jsx: "automatic",
    jsxImportSource: "preact",
    sourcemap: "inline",
    logLevel: "error",
  });
  return sources.map((name) => join(folder, name.replace(/\.ts$/, ".mjs")));
}

const folder = mkdtempSync(join(tmpdir(), "leat-web-"));
let failed = 1;
try {
  const types = node("node_modules/typescript/bin/tsc", "--noEmit");
  console.log(types === 0 ? "types: as they should be" : "types: tsc refuses the sources");
  const tests = node("--enable-source-maps", "--test", "--test-reporter=tap", ...(await bundled(folder)));
  failed = types || tests;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed;
