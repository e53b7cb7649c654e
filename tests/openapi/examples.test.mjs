// Every example of the document against the real server: what is sent is taken, and what is shown as an
// answer is what comes, but for ids, times and the like.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, finished, JSON_TYPE, makeJob, say, upload } from "./lib/client.mjs";
import { document } from "./lib/settings.mjs";

const doc = await document();
const SHA = { stages: [{ use: "sha256", workers: 8, params: { field: "text" } }] };
const NDJSON = { "Content-Type": "application/x-ndjson" };

// A done job of two items, of which the second has failed.
async function halfDone(more = {}) {
	const job = await makeJob({ ...SHA, ...more });

	await upload(job, '{"text":"a"}\n{"text":7}\n');
	await finished(job);
	return job;
}

const post = (target, body, headers = JSON_TYPE) => ask("POST", target, { body, headers });
const create = (body, headers) => post("/v1/jobs", body, headers);

async function retained() {
	const job = await halfDone({ retention_ms: 0 });
	const deadline = Date.now() + 60_000;

	for (;;) {
		const reply = await ask("GET", `${job.path}/results`);
		if (reply.status === 410)
			return reply;
		assert.ok(Date.now() < deadline, "retention has removed nothing within a minute");
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

// How each answer that the document shows is brought about, by where it stands: the operation, or the shared
// response, its status or name, and its own name.
const ANSWERS = {
	"listJobs 200 none": () => ask("GET", "/v1/jobs?label.nobody=has-this"),
	"createJob 201 created": () => create(JSON.stringify(SHA)),
	"validateJob 200 hashed": () => post("/v1/jobs:validate", JSON.stringify(SHA)),
	"getJob 200 done": async () => ask("GET", (await halfDone()).path),
	"uploadItems 200 taken": async () => upload(await makeJob(SHA), '{"text":"a"}\n{"text":"b"}\n', ""),
	"getUploadOffset 200 unknown": async () => ask("GET", `${(await makeJob(SHA)).path}/items?key=monday`),
	"readResults 200 hashed": async () => ask("GET", `${(await halfDone()).path}/results`),
	"readResults 200 page": async () => ask("GET", `${(await halfDone()).path}/results`, { headers: { Accept: "application/json" } }),
	"readFailures 200 hashed": async () => ask("GET", `${(await halfDone()).path}/failures`, { headers: { Accept: "application/json" } }),
	"getStage 200 sha256": () => ask("GET", "/v1/stages/sha256"),
	"getLiveness 200 alive": () => ask("GET", "/livez"),
	"getReadiness 200 ready": () => ask("GET", "/readyz"),
	"BadRequest bad-request": () => ask("GET", "/livez?%zz"),
	"BadRequestOrCursor bad-cursor": () => ask("GET", "/v1/jobs?after=monday"),
	"BadDocument bad-json": () => create("{'stages':[]}"),
	"CrossOrigin cross-origin": () => create(JSON.stringify(SHA), { ...JSON_TYPE, Origin: "http://elsewhere.example" }),
	"NoSuchJob job-not-found": () => ask("GET", "/v1/jobs/j_00000000000000000000000000"),
	"NoSuchStage stage-not-found": () => ask("GET", "/v1/stages/sha265"),
	"NoSuchFile not-found": () => ask("GET", "/assets/app-0123456789ab.js"),
	"NotAcceptable not-acceptable": async () => ask("GET", `${(await makeJob(SHA)).path}/results`, { headers: { Accept: "text/html" } }),
	"StateConflict state-conflict": async () => {
		const job = await makeJob(SHA);

		await ask("POST", `${job.path}/cancel`);
		return ask("POST", `${job.path}/pause`);
	},
	"Expired results-expired": retained,
	"BodyTooLarge body-too-large": () => create(`"${"x".repeat(2 << 20)}"`),
	"NotUnderstood unsupported-media-type": () => create("stages", { "Content-Type": "text/html" }),
	"BadQuery bad-query": () => ask("GET", "/v1/jobs?limt=5"),
	"BadDefinition definition-invalid": () => create('{"stages":[{"use":"sha265","worker":3}]}'),
	"BadChange definition-invalid": async () =>
		ask("PATCH", (await makeJob(SHA)).path, { body: '{"stages":{"sha265":{"workers":2}}}', headers: JSON_TYPE }),
	"UploadConflict input-closed": async () => upload(await halfDone(), "1\n"),
	"UploadInvalid item-invalid": async () => upload(await makeJob(SHA), '{"text":"a"}\ntext\n', ""),
	"RunInvalid item-failed": () => post("/v1/run?stages=sha256&sha256.field=text&fail_fast=true", '{"text":"a"}\n{"text":7}\n', NDJSON),
};

// What is another one each time; of these only the type must be right.
const CHANGING = new Set(["id", "version", "created_at", "started_at", "finished_at", "at", "cursor", "next", "latency_us"]);

function alike(shown, came, where = "") {
	const key = where.split(".").at(-1);
	const type = (value) => (Array.isArray(value) ? "array" : value === null ? "null" : typeof value);

	assert.equal(type(came), type(shown), `type of ${where}`);
	if (CHANGING.has(key))
		return;
	if (typeof shown === "string")
		assert.equal(came.replace(/j_[0-9a-z]{26}/g, "j_"), shown.replace(/j_[0-9a-z]{26}/g, "j_"), where);
	else if (type(shown) === "array" || type(shown) === "object") {
		assert.deepEqual(Object.keys(came).sort(), Object.keys(shown).sort(), `members of ${where || "the whole"}`);
		for (const name of Object.keys(shown))
			alike(shown[name], came[name], `${where}.${name}`);
	} else
		assert.equal(came, shown, where);
}

// Every answer that the document shows: [name, value].
function shown() {
	const found = new Map();

	for (const operation of doc.operations)
		for (const [status, pointer] of Object.entries(operation.responses)) {
			const shared = pointer[0] === "components" ? pointer[2] : `${operation.id} ${status}`;
			for (const [type, media] of Object.entries(doc.at(pointer).content ?? {}))
				for (const name of Object.keys(media.examples ?? {})) {
					const value = doc.at(doc.resolve([...pointer, "content", type, "examples", name])).value;
					const key = `${shared} ${name}`;

					found.set(found.has(key) && pointer[0] !== "components" ? `${shared} page` : key, { status, value, shared: pointer[0] === "components" });
				}
		}
	return found;
}

// Only at a moment of the server's life that is not now: traffic.test.mjs looks whether the API's tests heard it.
const ELSEWHERE = new Set(["Unavailable draining"]);

const answers = shown();
for (const [name, { status, value, shared }] of answers)
	if (!ELSEWHERE.has(name))
		test(`the answer "${name}" comes as it is shown`, async () => {
			assert.ok(ANSWERS[name], "say in ANSWERS how it is brought about");
			say(`examples.${name.replaceAll(" ", "_")}`);
			const reply = await ANSWERS[name]();

			assert.equal(String(reply.status), shared ? String(value.status ?? reply.status) : status, reply.body);
			if (typeof value === "string")
				assert.equal(reply.body, value);
			else
				alike(value, reply.json());
		});

test("no answer is prepared that the document does not show", () => {
	assert.deepEqual(Object.keys(ANSWERS).filter((name) => !answers.has(name)), []);
});

// ---- what is sent ----

const PREPARED = {
	createJob: async () => "/v1/jobs",
	validateJob: async () => "/v1/jobs:validate",
	changeJob: async () => (await makeJob(SHA)).path,
	uploadItems: async () => `${(await makeJob(SHA)).path}/items`,
	putItems: async () => `${(await makeJob(SHA)).path}/items`,
	retryFailures: async () => `${(await halfDone()).path}/failures/retry`,
	runOnce: async () => "/v1/run?stages=sha256&sha256.field=text",
	runOncePut: async () => "/v1/run?stages=sha256&sha256.field=text",
};

for (const operation of doc.operations.filter(({ body }) => body))
	for (const [type, media] of Object.entries(doc.at(operation.body).content))
		for (const [name, { value }] of Object.entries(media.examples))
			test(`${operation.id} takes the example "${name}" as ${type}`, async () => {
				say(`examples.${operation.id}_${name}`);
				const body = typeof value === "string" ? value : JSON.stringify(value);
				const reply = await ask(operation.method, await PREPARED[operation.id](), { body, headers: { "Content-Type": type } });

				assert.ok(reply.status < 300, `${reply.status}: ${reply.body}`);
				if (reply.status === 201)
					await ask("DELETE", `/v1/jobs/${reply.json().id}`);
			});

// ---- parameters ----

const BODY = { createJob: JSON.stringify(SHA), validateJob: JSON.stringify(SHA), uploadItems: '{"text":"a"}\n', putItems: '{"text":"a"}\n', runOnce: '{"text":"a"}\n', runOncePut: '{"text":"a"}\n' };

for (const operation of doc.operations) {
	const given = operation.parameters.filter((one) => one.in !== "path").map((one) => ({ ...one, example: one.example ?? one.schema.examples?.[0] }))
		.filter((one) => one.example !== undefined);

	if (given.length === 0)
		continue;
	test(`${operation.id} takes the examples of its parameters`, async () => {
		say(`examples.${operation.id}_parameters`);
		const query = new URLSearchParams();
		const headers = { "Content-Type": operation.path === "/v1/jobs" ? "application/json" : "application/x-ndjson" };

		for (const one of given)
			if (one.in === "header")
				headers[one.name] = String(one.example);
			else
				for (const [name, value] of typeof one.example === "object" ? Object.entries(one.example) : [[one.name, one.example]])
					query.set(name, String(value));
		const path = operation.path.includes("{id}") ? operation.path.replace("{id}", (await makeJob(SHA)).id) : operation.path;
		if (operation.id === "validateJob")
			headers["Content-Type"] = "application/json";
		const reply = await ask(operation.method, `${path}?${query}`, { body: BODY[operation.id], headers });

		assert.ok(reply.status < 300, `${reply.status}: ${reply.body}`);
	});
}
