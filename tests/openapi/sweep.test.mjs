// What every operation has in common is said by every operation: each is asked in each of these ways.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { ask, finished, JSON_TYPE, makeJob, say, upload } from "./lib/client.mjs";
import { document } from "./lib/settings.mjs";

const doc = await document();
const NO_JOB = "j_00000000000000000000000000";
let job, cancelled, done;

before(async () => {
	say("sweep.before");
	job = await makeJob();
	cancelled = await makeJob();
	await ask("POST", `${cancelled.path}/cancel`);
	done = await makeJob();
	await upload(done, "1\n2\n");
	await finished(done);
});

const BODIES = { Definition: JSON.stringify({ stages: [{ use: "pass" }] }), Items: "1\n" };

function pathOf(operation, id = job.id) {
	const name = operation.path.startsWith("/v1/stages") ? "pass" : "none-0123456789ab.js";

	return operation.path.replace("{id}", id).replace("{name}", name);
}

// The parameters without which nothing else is looked at.
function queryOf(operation) {
	const required = operation.parameters.filter((one) => one.in === "query" && one.required);

	return required.map((one) => `${one.name}=${one.name === "stages" ? "pass" : encodeURIComponent(one.example)}`).join("&");
}

const bodyOf = (operation) => (operation.body ? BODIES[operation.body.at(-1)] ?? "{}" : undefined);
const typeOf = (operation) => (operation.body?.at(-1) === "Items" ? { "Content-Type": "application/x-ndjson" } : JSON_TYPE);

function sweep(what, status, chosen, target, options = () => ({})) {
	for (const operation of doc.operations.filter(chosen))
		test(`${operation.id}: ${what} is ${status}`, async () => {
			say(`sweep.${what.replaceAll(" ", "_")}`);
			const query = queryOf(operation);
			const path = target(operation);
			const where = query && !path.includes("?") ? `${path}?${query}` : path;
			const reply = await ask(operation.method, where, { body: bodyOf(operation), headers: operation.body ? typeOf(operation) : {}, ...options(operation) });

			assert.equal(reply.status, status, reply.body);
			assert.deepEqual(doc.replyMistakes(operation, { method: operation.method, status, headers: reply.headers, body: reply.body, whole: true }), []);
		});
}

const documents = (status) => (operation) => operation.responses[status] !== undefined;
const large = "x".repeat(40_000);

sweep("a query that cannot be decoded", 400, () => true, (operation) => `${pathOf(operation)}?%zz`);
sweep("an unknown query parameter", 422, () => true, (operation) => `${pathOf(operation)}?${[queryOf(operation), "nonsense=1"].filter(Boolean).join("&")}`);
sweep("a head that is too large", 431, () => true, (operation) => pathOf(operation),
	(operation) => ({ headers: { ...(operation.body ? typeOf(operation) : {}), "X-Large": large } }));
sweep("a page of another origin", 403, (operation) => operation.method !== "GET", (operation) => pathOf(operation),
	(operation) => ({ headers: { ...typeOf(operation), Origin: "http://elsewhere.example" } }));
sweep("a job that there is not", 404, (operation) => operation.path.includes("{id}"), (operation) => pathOf(operation, NO_JOB));
sweep("a type that is not understood", 415, documents(415), (operation) => pathOf(operation),
	() => ({ headers: { "Content-Type": "text/html" } }));
sweep("a representation that there is not", 406, documents(406), (operation) => pathOf(operation),
	() => ({ headers: { Accept: "text/html" } }));
sweep("a body that is too large", 413, documents(413), (operation) => pathOf(operation),
	(operation) => ({ headers: typeOf(operation), body: `"${"x".repeat(2 << 20)}"` }));
sweep("a job that was cancelled", 409, (operation) => operation.responses[409] && operation.path.includes("{id}") && operation.id !== "cancelJob",
	(operation) => pathOf(operation, cancelled.id));
sweep("a job that has succeeded", 409, (operation) => operation.id === "cancelJob", (operation) => pathOf(operation, done.id));
sweep("a file that is known", 304, (operation) => documents(304)(operation) && operation.id !== "getJob" && operation.id !== "getAsset", (operation) => pathOf(operation),
	() => ({ headers: { "If-None-Match": "*" } }));
sweep("a method", 200, (operation) => operation.method === "GET" && !operation.parameters.some((one) => one.in === "path") && !operation.path.endsWith("/events"),
	(operation) => pathOf(operation));

test("every path that a page loads is served and documented", async () => {
	say("sweep.assets");
	const operation = doc.operations.find(({ id }) => id === "getAsset");
	const pages = [await ask("GET", "/"), await ask("GET", "/docs")];
	const links = pages.flatMap(({ body }) => [...body.matchAll(/(?:src|href)="\/?(assets\/[^"]+)"/g)].map((found) => `/${found[1]}`));

	for (const link of links) {
		const reply = await ask("GET", link);
		const again = await ask("GET", link, { headers: { "If-None-Match": reply.headers.get("etag") } });

		assert.deepEqual([reply.status, again.status], [200, 304], link);
		for (const one of [reply, again])
			assert.deepEqual(doc.replyMistakes(operation, { method: "GET", status: one.status, headers: one.headers, body: one.body, whole: true }), []);
	}
});
