// What the tests of the API, and those of faults, said to the server and heard from it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { document, exchanges } from "./lib/settings.mjs";
import { exempt } from "./exempt.mjs";

const doc = await document();
const heard = new Map(doc.operations.map((operation) => [operation.id, { count: 0, statuses: new Set(), mistakes: [] }]));
const refusals = new Set(); // "type: detail" of every problem with 503
const elsewhere = { count: 0, mistakes: [] };

// As it was meant: only what is not UTF-8, or packed, is recorded as bytes.
function text(body, coding) {
	if (body?.base64 === undefined)
		return body?.text;
	const bytes = Buffer.from(body.base64, "base64");
	return coding === "gzip" ? gunzipSync(bytes).toString("utf8") : bytes.toString("latin1");
}

function decoded(path) {
	try {
		return path.split("/").map((part) => decodeURIComponent(part).replaceAll("/", "\u0001")).join("/");
	} catch {
		return null; // the server says 400
	}
}

function queryOf(search) {
	const query = new Map();

	for (const [name, value] of new URLSearchParams(search))
		query.set(name, value);
	return query;
}

// A reply where there is no operation: 404 for the path, 405 for the method, or the request was malformed.
function strayMistakes(allowed, reply) {
	const mistakes = doc.contentMistakes(["components", "responses", "Unexpected", "content", "application/problem+json"],
		"application/problem+json", reply.body || "null", reply.method !== "HEAD", reply.status);
	const wanted = [allowed.length === 0 ? 404 : 405, 400, 431, 503]; // 503: out of memory even for that

	if (reply.method === "HEAD")
		mistakes.length = 0;
	if (!wanted.includes(reply.status))
		mistakes.push(`the status is ${reply.status}`);
	if (reply.status === 405) {
		const names = reply.headers.get("allow")?.split(", ").filter((name) => name !== "HEAD").sort().join();
		if (names !== [...allowed].sort().join())
			mistakes.push(`Allow: ${reply.headers.get("allow")}, and the document has ${allowed}`);
	}
	return mistakes;
}

function check(line) {
	const [path, search = ""] = line.request.target.split(/\?(.*)/s);
	const headers = new Map(line.headers.map(([name, value]) => [name.toLowerCase(), value]));
	const reply = {
		method: line.request.method,
		status: line.status,
		headers,
		body: text(line.body, line.whole && headers.get("content-encoding")),
		whole: line.whole,
	};
	const where = decoded(path);
	const { operation, allowed } = where === null ? { allowed: [] } : doc.find(line.request.method, where);
	const about = (mistake) => `${line.test}: ${line.request.method} ${line.request.target.slice(0, 200)} → ${line.status}: ${mistake}`;

	if (!operation) {
		elsewhere.count++;
		elsewhere.mistakes.push(...strayMistakes(allowed, reply).map(about));
		return;
	}
	const all = heard.get(operation.id);
	all.count++;
	all.statuses.add(String(line.status));
	if (line.status === 503 && reply.body.includes("/problems/"))
		refusals.add(`${JSON.parse(reply.body).type}: ${JSON.parse(reply.body).detail}`);
	all.mistakes.push(...doc.replyMistakes(operation, reply).map(about));
	// What was refused may have been wrong on purpose.
	if (line.status < 400)
		all.mistakes.push(...doc.requestMistakes(operation, { query: queryOf(search), headers: line.request.headers, body: text(line.request.body) }).map(about));
}

for await (const line of exchanges())
	check(line);

for (const [id, { count, mistakes }] of heard)
	test(`${id}: ${count} exchanges are as the document says`, () => {
		assert.ok(count > 0, "no test has used it");
		assert.deepEqual([...new Set(mistakes)].slice(0, 10), [], `${mistakes.length} mistakes`);
	});

test(`${elsewhere.count} requests of what is not there are answered as it says`, () => {
	assert.ok(elsewhere.count > 0, "no test has tried");
	assert.deepEqual(elsewhere.mistakes.slice(0, 10), []);
});

for (const operation of doc.operations)
	test(`${operation.id}: every documented status was reached`, () => {
		const documented = Object.keys(operation.responses).filter((status) => status !== "default");
		const missing = documented.filter((status) => !heard.get(operation.id).statuses.has(status) && !exempt(operation, status));

		assert.deepEqual(missing, [], "statuses that no test reaches");
	});

test("what the document shows of a server that drains was heard", () => {
	const { value } = doc.at(["components", "responses", "Unavailable", "content", "application/problem+json", "examples", "draining"]);

	assert.ok(refusals.has(`${value.type}: ${value.detail}`), [...refusals].join("\n"));
});
