// A TypeScript client generated from the document compiles, and runs a job.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";
import { server, setting } from "./lib/settings.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = setting("LEAT_FOLDER");

test("a client is generated and compiles", async () => {
	// What has a default may be left out; the tool takes it for always there otherwise.
	const types = astToString(await openapiTS(pathToFileURL(setting("LEAT_OPENAPI")), { defaultNonNullable: false }));

	writeFileSync(join(folder, "api.d.ts"), types);
	writeFileSync(join(folder, "package.json"), '{"type":"module"}');
	for (const name of ["client.ts", "tsconfig.json"])
		copyFileSync(join(here, name), join(folder, name));
	symlinkSync(join(here, "node_modules"), join(folder, "node_modules"));
	try {
		execFileSync(process.execPath, [join(here, "node_modules/typescript/bin/tsc"), "--project", folder], { cwd: folder, encoding: "utf8" });
	} catch (error) {
		assert.fail(error.stdout || error.message);
	}
});

test("the generated client runs a job", async () => {
	const { run } = await import(pathToFileURL(join(folder, "client.js")));
	const { job, results, refused } = await run(server());

	assert.equal(job.state, "succeeded");
	assert.deepEqual(results, [
		{ text: "a", sha256: "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" },
		{ text: "b", sha256: "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d" },
	]);
	assert.equal(refused.type, "/problems/state-conflict");
});
