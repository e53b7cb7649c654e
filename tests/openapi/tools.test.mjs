// The tools that make what is built in: the same files make the same bytes, and what would be served wrongly is
// refused with its reason.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { setting } from "./lib/settings.mjs";

const top = fileURLToPath(new URL("../..", import.meta.url));
const folder = (files) => {
	const made = mkdtempSync(join(setting("LEAT_FOLDER"), "site-"));

	for (const [name, text] of Object.entries(files)) {
		mkdirSync(dirname(join(made, name)), { recursive: true });
		writeFileSync(join(made, name), text);
	}
	return made;
};
const PAGES = { "index.html": "<p>".repeat(1000), "assets/app-0123456789ab.js": "1" };

function embed(site, fallback = folder({ "index.html": "none", "docs.html": "no docs" })) {
	const out = folder({});
	const done = spawnSync(join(top, "tools/embed"), ["--out", join(out, "t.c"), "--blob", join(out, "t.bin"), "--site", site, "--fallback", fallback], { encoding: "utf8" });

	return { ...done, table: done.status === 0 && readFileSync(join(out, "t.c"), "utf8").replaceAll(out, ""), blob: done.status === 0 && readFileSync(join(out, "t.bin")) };
}

test("a site is embedded: sorted, tagged, packed where that is smaller, and the same again", () => {
	const first = embed(folder(PAGES));
	const rows = [...first.table.matchAll(/\.path = "(.*)"/g)].map(([, path]) => path);
	const [, from, size] = /\.gzip = \{ assets_blob \+ (\d+), (\d+) \}/.exec(first.table).map(Number);

	assert.equal(first.status, 0, first.stderr);
	assert.deepEqual(rows, ["/", "/assets/app-0123456789ab.js", "/docs"]);
	assert.equal(gunzipSync(first.blob.subarray(from, from + size)).toString(), PAGES["index.html"]);
	assert.equal((first.table.match(/\.gzip = \{ NULL, 0 \}/g) ?? []).length, 2);
	assert.equal((first.table.match(/\.immutable = true/g) ?? []).length, 1);
	const again = embed(folder(PAGES));
	assert.deepEqual([again.table, again.blob], [first.table, first.blob]);
	assert.notEqual(embed(folder({ ...PAGES, "index.html": "other" })).table, first.table);
});

for (const [what, files, why] of [
	["an asset without a hash in its name", { "assets/app.js": "" }, /must hold a hash/],
	["a type that is not known", { "a.xyz": "" }, /content type of '.xyz'/],
	["a folder that is not served", { "img/a-0123456789ab.png": "" }, /only assets\/NAME/],
	["a name that is no plain one", { "a b.css": "" }, /a name is made of/],
	["two files for one path", { "docs.html": "", docs: "" }, /content type|would both be/],
])
	test(`${what} is refused`, () => {
		const { status, stderr } = embed(folder(files));

		assert.notEqual(status, 0);
		assert.match(stderr, why);
	});

// Another Python may stand before Debian's in the path, as in server/http/meson.build.
const python = ["python3", "/usr/bin/python3"].find((name) => spawnSync(name, ["-c", "import yaml"]).status === 0);
const described = (yaml) => spawnSync(python, [join(top, "tools/openapi-json"), join(folder({ "a.yaml": yaml }), "a.yaml"), "1.2.3"], { encoding: "utf8" });

test("YAML is read as JSON has it, with the version filled in", () => {
	const { stdout, stderr } = described("info: {version: 0}\na: [yes, no, on, 2026-11-22, 12:30:00, true, null, 1.5, -1e3, 0x1F, 010]\n");

	assert.deepEqual(JSON.parse(stdout || stderr), { info: { version: "1.2.3" }, a: ["yes", "no", "on", "2026-11-22", "12:30:00", true, null, 1.5, -1000, "0x1F", "010"] });
});

test("a key that stands twice, and what is no YAML, are refused with their place", () => {
	for (const [yaml, why] of [["info: {}\na: 1\na: 2\n", /'a' stands twice[\s\S]*line 3/], ["a: [\n", /line/]]) {
		const { status, stderr } = described(yaml);

		assert.notEqual(status, 0);
		assert.match(stderr, why);
	}
});
