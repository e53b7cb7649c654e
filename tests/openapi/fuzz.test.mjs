// Requests made at random from the schemas of the document: right ones, right ones with one thing wrong, and
// nonsense. None may find a 5xx, a hang, or a reply that the document does not have.
//
// The seed is fixed, so that a run says the same everywhere; run.py --seed gives another, --runs more of them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { almost, valueOf } from "./lib/arbitrary.mjs";
import { ask, finished, JSON_TYPE, makeJob, say, upload } from "./lib/client.mjs";
import { document } from "./lib/settings.mjs";

const SEED = Number(process.env.LEAT_SEED ?? 20261122);
const RUNS = Number(process.env.LEAT_RUNS ?? 30);
// Where the machine is slow a property ends early, with what it has tried; a request that takes a minute is a hang.
const END = Date.now() + 3_000 * RUNS;
const limit = () => Math.max(500, Math.min(300 * RUNS, END - Date.now()));

const doc = await document();
const { items: stages } = JSON.parse((await ask("GET", "/v1/stages")).body);
const jobs = {};

console.log(`# seed ${SEED}, ${RUNS} runs a property`);
say("fuzz");

before(async () => {
	jobs.open = await makeJob();
	jobs.done = await makeJob({ stages: [{ use: "sha256", params: { field: "text" } }] });
	await upload(jobs.done, '{"text":"a"}\n7\n');
	await finished(jobs.done);
	jobs.cancelled = await makeJob();
	await ask("POST", `${jobs.cancelled.path}/cancel`);
});

after(() => Promise.all(Object.values(jobs).map((job) => ask("DELETE", job.path))));

async function check(property, runs = RUNS) {
	const { failed, counterexample, counterexamplePath, errorInstance } = await fc.check(property, {
		seed: SEED, numRuns: runs, interruptAfterTimeLimit: limit(), markInterruptAsFailure: false,
	});

	if (failed)
		assert.fail(`seed ${SEED}, path ${counterexamplePath}, with ${JSON.stringify(counterexample).slice(0, 500)}: ${errorInstance?.message.slice(0, 1000)}`);
}

// What every reply must be like, whatever was asked.
function sound(operation, reply) {
	assert.ok(reply.status < 500, `${reply.status}: ${reply.body}`);
	assert.deepEqual(doc.replyMistakes(operation, { method: operation.method, status: reply.status, headers: reply.headers, body: reply.body, whole: true }), []);
	return reply;
}

// Every mistake is named; but what cannot be text, such as half a surrogate pair, is no JSON to begin with.
function refused(reply) {
	assert.ok([400, 422].includes(reply.status), `it was taken: ${reply.body}`);
	assert.ok(reply.status === 400 || reply.json().errors?.length > 0, reply.body);
}

// ---- definitions ----

const schemaOf = (name) => doc.json.components.schemas[name];

// What no schema can say: which parameters a stage has, who may stand where, what goes with what.
const stageOf = (places) => fc.constantFrom(...stages.filter(({ kind, name }) => places.includes(kind) && name !== "sleep"))
	.chain((stage) => fc.tuple(valueOf(doc, schemaOf("StageDefinition")), valueOf(doc, stage.params)).map(([definition, params]) => {
		const made = { ...definition, use: stage.name, params };

		delete made.name;
		if (made.scaled === false)
			delete made.workers;
		if (made.retry?.max_backoff_ms < made.retry?.backoff_ms)
			delete made.retry.backoff_ms;
		return made;
	}));

const definitions = fc.tuple(valueOf(doc, schemaOf("Definition")), fc.option(stageOf(["source"]), { nil: undefined }),
	fc.array(stageOf(["map"]), { minLength: 1, maxLength: 3 }), fc.option(stageOf(["sink"]), { nil: undefined }))
	.map(([definition, source, maps, sink]) => ({ ...definition, stages: [source, ...maps, sink].filter((stage) => stage) }));

// What a stage has against its parameters is its own business, and whether it takes batches or runs in a process of its own.
const isOfStages = (reply) => reply.status === 422 && reply.json().errors?.every(({ pointer }) => /^\/stages\/\d+(\/(params|batch|isolation)|$)/.test(pointer));

const operation = (id) => doc.operations.find((one) => one.id === id);
const send = (id, path, value) => ask(operation(id).method, path, { body: JSON.stringify(value), headers: JSON_TYPE });

// By the document alone: is this body right?
const allows = (id, value) => doc.mistake("open", [...operation(id).body, "content", "application/json", "schema"], value) === null;

test("a definition that the document allows is taken, but for what a stage says", () => check(fc.asyncProperty(definitions, async (definition) => {
	const reply = sound(operation("validateJob"), await send("validateJob", "/v1/jobs:validate", definition));

	assert.ok(reply.status === 200 || isOfStages(reply), reply.body);
	if (reply.status === 200) {
		const again = sound(operation("validateJob"), await send("validateJob", "/v1/jobs:validate", reply.json()));
		assert.deepEqual(again.json(), reply.json(), "what was filled in is what is meant");
	}
}), 4 * RUNS));

test("a job is made of a definition that the document allows, and is gone again", () => check(fc.asyncProperty(definitions, async (definition) => {
	const reply = sound(operation("createJob"), await send("createJob", "/v1/jobs", definition));

	assert.ok(reply.status === 201 || isOfStages(reply), reply.body);
	if (reply.status === 201)
		assert.equal(sound(operation("deleteJob"), await ask("DELETE", reply.headers.get("location"))).status, 204);
})));

test("a definition with one thing wrong is refused if the document forbids it", () => check(fc.asyncProperty(almost(definitions), async (definition) => {
	const reply = sound(operation("validateJob"), await send("validateJob", "/v1/jobs:validate", definition));

	if (!allows("validateJob", definition)) {
		refused(reply);
	}
}), 8 * RUNS));

test("a change that the document allows is taken", () => check(fc.asyncProperty(valueOf(doc, schemaOf("Change")), async (change) => {
	if (change.stages)
		change.stages = Object.fromEntries(Object.values(change.stages).slice(0, 1).map((value) => ["pass", value]));
	if (change.labels)
		change.labels = Object.fromEntries(Object.entries(change.labels).slice(0, 10));
	if (change.limits)
		delete change.limits.deadline_ms; // it would be over
	const job = await makeJob();
	const reply = sound(operation("changeJob"), await send("changeJob", job.path, change));

	assert.equal(reply.status, 200, reply.body);
	await ask("DELETE", job.path);
}), 2 * RUNS));

for (const [id, path, schema] of [["changeJob", "", "Change"], ["retryFailures", "/failures/retry", "Retry"]])
	test(`${id}: a body with one thing wrong is refused if the document forbids it`, () => check(fc.asyncProperty(almost(valueOf(doc, schemaOf(schema))), async (body) => {
		const job = await makeJob();
		const reply = sound(operation(id), await send(id, `${job.path}${path}`, body));

		if (!allows(id, body))
			refused(reply);
		await ask("DELETE", job.path);
	}), 2 * RUNS));

// ---- queries ----

const fresh = async (kind) => {
	const job = await makeJob();

	if (kind !== "open")
		await ask("POST", `${job.path}/${kind === "done" ? "close" : "cancel"}`);
	if (kind === "done")
		await finished(job);
	return job;
};

// Values that mean what they say to this operation: not every string is a cursor, and nobody waits for a day.
function querySchema(one) {
	if (one.name === "wait_ms" || one.name === "max_wait_ms")
		return { type: "integer", minimum: 0, maximum: 20 };
	if (one.name === "stages")
		return { enum: ["pass", "pass:3", "sha256,pass", "fail"] };
	if (one.name === "columns" || one.name === "fields")
		return { enum: ["text", '"text"'] };
	return one.schema;
}

const keyed = {
	labels: fc.dictionary(fc.stringMatching(/^[a-z]{1,9}$/).map((key) => `label.${key}`), fc.string({ maxLength: 9 }), { noNullPrototype: true, maxKeys: 3 }),
	scaling: fc.constantFrom({}, { "workers.pass": 3 }, { "queue.pass": 7, "workers.pass": 1 }),
	params: fc.constantFrom({}),
};

// No cursors and no offsets: those that there are depend on what was done before.
const queries = (one) => fc.record(Object.fromEntries(one.parameters.filter(({ in: where, name }) => where === "query" && name !== "after" && name !== "offset")
	.map((parameter) => [parameter.name, keyed[parameter.name] ?? valueOf(doc, querySchema(parameter))])),
{ requiredKeys: one.parameters.filter(({ in: where, required }) => where === "query" && required).map(({ name }) => name), noNullPrototype: true })
	.map((query) => Object.assign({}, ...Object.entries(query).map(([name, value]) => (keyed[name] ? value : { [name]: value }))))
	.map((query) => (asCsv(query) && "envelope" in query ? { ...query, envelope: false } : query)); // which there is not as CSV

// Parameters of CSV want a body, or an Accept, of CSV.
const ofCsv = ({ columns, delimiter, infer }) => columns !== undefined || delimiter !== undefined || infer !== undefined;
const asCsv = ({ fields, guard }) => fields !== undefined || guard !== undefined;
const csvHeaders = (query) => ({
	...(ofCsv(query) ? { "Content-Type": query.columns === undefined ? "text/csv" : "text/csv; header=absent" } : {}),
	...(asCsv(query) ? { Accept: "text/csv" } : {}),
});

const written = (query) => new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)])).toString();

const ENDLESS = new Set(["watchJobs"]); // it stays for as long as the client
const READING = new Set(["readResults", "readFailures", "watchJob"]); // with follow, for as long as the job
const BODIES = { Definition: '{"stages":[{"use":"pass"}]}', Items: '{"text":"a"}\n' };
const types = (one) => (one.body?.at(-1) === "Items" ? { "Content-Type": "application/x-ndjson" } : one.body ? JSON_TYPE : {});
const bodyOf = (one) => (one.body ? BODIES[one.body.at(-1)] ?? "{}" : undefined);

async function pathOf(one, kind) {
	if (one.path.includes("{name}"))
		return one.path.replace("{name}", "pass");
	if (!one.path.includes("{id}"))
		return one.path;
	const job = READING.has(one.id) ? jobs.done : one.method === "GET" ? jobs[kind] : await fresh(kind);
	return one.path.replace("{id}", job.id);
}

for (const one of doc.operations.filter(({ id }) => !ENDLESS.has(id)))
	test(`${one.id}: a query that the document allows is understood`, () => check(fc.asyncProperty(queries(one), fc.constantFrom("open", "done", "cancelled"), async (query, kind) => {
		const path = await pathOf(one, kind);
		const reply = sound(one, await ask(one.method, `${path}?${written(query)}`, { body: ofCsv(query) ? "text\na\n" : bodyOf(one), headers: { ...types(one), ...csvHeaders(query) } }));
		const understood = reply.status < 300 || [304, 409].includes(reply.status) || (one.id === "getAsset" && reply.status === 404)
			|| (["runOnce", "runOncePut"].includes(one.id) && reply.status === 422 && /sha256|fail/.test(query.stages));

		assert.ok(understood, `${written(query)}: ${reply.status} ${reply.body}`);
		if (reply.status === 201)
			await ask("DELETE", reply.headers.get("location"));
		else if (one.path.includes("{id}") && one.method !== "GET" && one.method !== "DELETE")
			await ask("DELETE", path.split("/").slice(0, 4).join("/"));
	}), one.parameters.some(({ in: where }) => where === "query") ? RUNS : 3));

const nonsense = fc.string({ unit: "binary", maxLength: 12 }).map((value) => encodeURIComponent(value.toWellFormed?.() ?? value.replace(/[\ud800-\udfff]/g, "")));

for (const one of doc.operations.filter(({ id }) => !ENDLESS.has(id)))
	test(`${one.id}: a query of nonsense is answered as the document says`, () => check(fc.asyncProperty(
		fc.array(fc.tuple(fc.oneof(nonsense, fc.constantFrom(...one.parameters.map(({ name }) => name), "x")), nonsense), { minLength: 1, maxLength: 3 }), async (pairs) => {
			// No wait and no follow: those that are right are tried above, and these may be right by chance.
			const query = pairs.filter(([name]) => !/wait|follow/.test(name)).map(([name, value]) => `${name}=${value}`).join("&");
			const path = one.path.includes("{id}") ? one.path.replace("{id}", (READING.has(one.id) ? jobs.done : one.method === "GET" ? jobs.open : jobs.cancelled).id) : await pathOf(one);

			if (one.id === "deleteJob") // what is right by chance would take the job away
				return;
			const reply = sound(one, await ask(one.method, `${path}?${query}`, { body: bodyOf(one), headers: types(one) }));
			if (reply.status === 201)
				await ask("DELETE", reply.headers.get("location"));
		}), 10));

// ---- nonsense ----

const bodies = fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.json({ maxDepth: 6 }), fc.nat({ max: 3000 }).map((depth) => "[".repeat(depth)),
	fc.constantFrom("", "{", '{"stages":', "\u0000", '{"a":1,"a":2}', "1e999", '"\\ud800"', "\ufeff{}"));

for (const one of doc.operations.filter(({ body }) => body))
	test(`${one.id}: a body of nonsense is answered as the document says`, () => check(fc.asyncProperty(bodies, fc.constantFrom("application/json", "application/x-ndjson", "text/csv", ""), async (body, type) => {
		const path = await pathOf(one, "open");
		const query = one.path === "/v1/run" ? "?stages=pass" : "";
		const reply = sound(one, await ask(one.method, path + query, { body, headers: type ? { "Content-Type": type } : {} }));

		if (reply.status === 201)
			await ask("DELETE", reply.headers.get("location"));
		else if (one.path.includes("{id}"))
			await ask("DELETE", path.split("/").slice(0, 4).join("/"));
	})));

test("paths and methods of nonsense are 404, 405 or 400", () => check(fc.asyncProperty(
	fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
	fc.array(fc.oneof(nonsense, fc.constantFrom("v1", "jobs", "jobs:validate", jobsWord(), "items", "results", "..", "%2e%2e", "%zz", "")), { maxLength: 5 }), async (method, parts) => {
		const path = `/${parts.join("/")}`;
		let decoded;

		try {
			decoded = parts.map((part) => decodeURIComponent(part)).join("/");
		} catch {
			decoded = null;
		}
		if (decoded !== null && doc.find(method, `/${decoded}`).operation)
			return;
		const reply = await ask(method, path);
		assert.ok([400, 404, 405].includes(reply.status), `${method} ${path}: ${reply.status} ${reply.body}`);
		if (method !== "HEAD")
			assert.equal(doc.mistake("closed", ["components", "schemas", "Problem"], reply.json()), null);
	}), 8 * RUNS));

function jobsWord() {
	return "j_00000000000000000000000000";
}
