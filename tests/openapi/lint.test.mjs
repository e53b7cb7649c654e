// The document itself, as Redocly's linter wants it; redocly.yaml says what is asked.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { lint, loadConfig } from "@redocly/openapi-core";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

test("the document has no error and no warning", async () => {
	const config = await loadConfig({ configPath: here("redocly.yaml") });
	const problems = await lint({ ref: here("../../openapi/openapi.yaml"), config });
	const told = problems.map(({ ruleId, message, location: [{ pointer }] }) => `${ruleId}: ${message} (${pointer})`);

	assert.deepEqual(told, []);
});
