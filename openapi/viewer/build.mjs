// Makes the pages of the API's description: node build.mjs --out FOLDER
//
// Swagger UI comes bundled in its package, so nothing is compiled here: its files and ours are
// copied under names that hold a hash of what is in them.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const viewer = "node_modules/swagger-ui-dist";
const files = {
	"swagger-ui.js": `${viewer}/swagger-ui-bundle.js`,
	"swagger-ui.css": `${viewer}/swagger-ui.css`,
	"docs.js": "docs.js",
	"docs.css": "docs.css",
};

const { values } = parseArgs({ options: { out: { type: "string" } } });
if (!values.out)
	throw new Error("usage: node build.mjs --out FOLDER");
const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
mkdirSync(join(values.out, "assets"), { recursive: true });

let page = readFileSync(join(here, "docs.html"), "utf8");
for (const [name, source] of Object.entries(files)) {
	// A map would be asked for as soon as somebody opens the browser's tools.
	const text = readFileSync(join(here, source), "utf8").replace(/\n\/[/*]# sourceMappingURL=.*\s*$/, "\n");
	const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
	const hashed = name.replace(/\.(\w+)$/, `-${hash}.$1`);

	writeFileSync(join(values.out, "assets", hashed), text);
	if (!page.includes(`"/assets/${name}"`))
		throw new Error(`docs.html does not load /assets/${name}`);
	page = page.replace(`"/assets/${name}"`, `"/assets/${hashed}"`);
}
writeFileSync(join(values.out, "docs.html"), page);
