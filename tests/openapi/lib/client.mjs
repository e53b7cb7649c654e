// Requests to the server under test, each written down like those of the other tests.
import { appendFileSync } from "node:fs";
import { Agent, request as httpRequest } from "node:http";
import { server } from "./settings.mjs";

const agent = new Agent({ keepAlive: true, maxSockets: 16 });
let current = null;

// Whose requests these are.
export const say = (name) => (current = name);

export function record(method, target, headers, body, reply) {
	const pairs = [];

	for (let at = 0; at < reply.rawHeaders.length; at += 2)
		pairs.push([reply.rawHeaders[at], reply.rawHeaders[at + 1]]);
	appendFileSync(process.env.LEAT_TRAFFIC, JSON.stringify({
		test: current,
		request: { method, target, headers, ...(body !== undefined && body.length < 65536 ? { body: { text: String(body) } } : {}) },
		status: reply.status,
		headers: pairs,
		whole: true,
		body: { text: reply.body.slice(0, 1 << 18) },
	}) + "\n");
}

// {status, headers: Map, body, json()}; rejects when no reply came in time: that is a hang.
export function ask(method, target, { headers = {}, body, timeout = 60_000, at = server() } = {}) {
	return new Promise((resolve, reject) => {
		const url = new URL(at);
		const request = httpRequest({ agent, host: url.hostname, port: url.port, method, path: target, headers: { ...(body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) }), ...headers } });

		request.setTimeout(timeout, () => request.destroy(new Error(`no reply to ${method} ${target} within ${timeout} ms`)));
		request.on("error", reject);
		request.on("response", (response) => {
			const pieces = [];

			response.on("data", (piece) => pieces.push(piece));
			response.on("error", reject);
			response.on("end", () => {
				const reply = {
					status: response.statusCode,
					headers: new Map(Object.entries(response.headers).map(([name, value]) => [name, String(value)])),
					rawHeaders: response.rawHeaders,
					body: Buffer.concat(pieces).toString("utf8"),
					json() { return JSON.parse(this.body); },
				};
				record(method, target, headers, body, reply);
				resolve(reply);
			});
		});
		request.end(body);
	});
}

export const JSON_TYPE = { "Content-Type": "application/json" };

// A job, and a way to end it: {id, path}.
export async function makeJob(definition = { stages: [{ use: "pass" }] }) {
	const reply = await ask("POST", "/v1/jobs", { headers: JSON_TYPE, body: JSON.stringify(definition) });

	if (reply.status !== 201)
		throw new Error(`no job could be made: ${reply.body}`);
	const { id } = reply.json();
	return { id, path: `/v1/jobs/${id}` };
}

export async function upload(job, lines, query = "close=true") {
	return ask("POST", `${job.path}/items?${query}`, { headers: { "Content-Type": "application/x-ndjson" }, body: lines });
}

export async function finished(job) {
	for (;;) {
		const { version, done } = (await ask("GET", job.path)).json();

		if (done)
			return;
		await ask("GET", `${job.path}?wait_ms=10000&version=${version}`);
	}
}
