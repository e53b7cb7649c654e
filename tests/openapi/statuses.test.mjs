// Replies that take some preparation, so that every documented status is heard at least once.
import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import { test } from "node:test";
import { ask, finished, JSON_TYPE, makeJob, record, say, upload } from "./lib/client.mjs";
import { server } from "./lib/settings.mjs";

const EVENTS = { Accept: "text/event-stream" };
const PAGE = { Accept: "application/json" };
const SHA = { stages: [{ use: "sha256", params: { field: "text" } }] };

async function failedJob(more = {}) {
	const job = await makeJob({ ...SHA, ...more });

	await upload(job, '{"text":"a"}\n{"text":7}\n');
	await finished(job);
	return job;
}

async function until(what, condition) {
	const deadline = Date.now() + 60_000;

	for (;;) {
		const value = await condition();

		if (value)
			return value;
		assert.ok(Date.now() < deadline, `not within a minute: ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

for (const what of ["results", "failures"])
	test(`who has seen the last of the ${what} gets 204`, async () => {
		say(`statuses.${what}_204`);
		const job = await failedJob();
		const { next } = (await ask("GET", `${job.path}/${what}`, { headers: PAGE })).json();
		const reply = await ask("GET", `${job.path}/${what}`, { headers: { ...EVENTS, "Last-Event-ID": next } });

		assert.equal(reply.status, 204);
	});

test("who has seen a job's last event gets 204", async () => {
	say("statuses.events_204");
	const job = await failedJob();
	const { version } = (await ask("GET", job.path)).json();
	const reply = await ask("GET", `${job.path}/events`, { headers: { "Last-Event-ID": String(version) } });

	assert.equal(reply.status, 204);
});

test("what retention has removed is 410 to read and to retry", async () => {
	say("statuses.410");
	const job = await failedJob({ retention_ms: 0 });

	await until("the failures are gone", async () => (await ask("GET", `${job.path}/failures`)).status === 410);
	assert.equal((await ask("GET", `${job.path}/results`)).status, 410);
	assert.equal((await ask("POST", `${job.path}/failures/retry`)).status, 410);
});

for (const method of ["POST", "PUT"]) {
	test(`a full backlog refuses a ${method} with 429`, async () => {
		say(`statuses.${method}_429`);
		const job = await makeJob({ ...SHA, backlog: { bytes: 1 } });
		await ask("POST", `${job.path}/pause`);
		const line = `{"text":"${"a".repeat(1000)}"}\n`.repeat(1000);
		const reply = await until("the backlog is full", async () => {
			const sent = await ask(method, `${job.path}/items?on_full=reject`, { headers: { "Content-Type": "application/x-ndjson" }, body: line });
			return sent.status !== 200 && sent;
		});

		assert.equal(reply.status, 429, reply.body);
		await ask("DELETE", job.path);
	});

	// By hand: the job is cancelled while its items are being sent.
	test(`a one-shot job that is cancelled during its ${method} is 409`, async () => {
		say(`statuses.${method}_run_409`);
		const url = new URL(server());
		const name = `cancelled-${method}-${process.pid}`;
		const agent = new Agent();
		const target = `/v1/run?stages=pass&name=${name}`;
		const request = httpRequest({ agent, host: url.hostname, port: url.port, method, path: target, headers: { "Content-Type": "application/x-ndjson" } });
		const reply = new Promise((resolve, reject) => request.on("response", resolve).on("error", reject));

		request.write("1\n");
		const [{ id }] = await until("the job is there", async () => {
			const { items } = (await ask("GET", `/v1/jobs?name=${name}`)).json();
			return items.length > 0 && items;
		});
		assert.equal((await ask("POST", `/v1/jobs/${id}/cancel`)).status, 200);
		request.end("2\n");
		const { statusCode, headers, rawHeaders } = await reply;
		const pieces = [];
		for await (const piece of (await reply))
			pieces.push(piece);
		agent.destroy();
		assert.equal(statusCode, 409, Buffer.concat(pieces).toString());
		assert.equal(headers["content-type"], "application/problem+json");
		record(method, target, { "Content-Type": "application/x-ndjson" }, undefined, { status: statusCode, rawHeaders, body: Buffer.concat(pieces).toString() });
	});

	test(`${method} a one-shot job`, async () => {
		say(`statuses.${method}_run`);
		const reply = await ask(method, "/v1/run?stages=sha256:2&sha256.field=text", { headers: { "Content-Type": "application/x-ndjson" }, body: '{"text":"a"}\n' });

		assert.equal(reply.status, 200);
		assert.equal(reply.json().sha256, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
	});
}

test("a job's definition makes another job", async () => {
	say("statuses.definition");
	const job = await makeJob({ ...SHA, labels: { team: "mill" } });
	const reply = await ask("GET", `${job.path}/definition`);

	assert.equal(reply.status, 200);
	assert.equal((await ask("POST", "/v1/jobs", { headers: JSON_TYPE, body: reply.body })).status, 201);
});
