// Where things are: tests/openapi/run.py says so in the environment.
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Document } from "./document.mjs";

export function setting(name) {
	const value = process.env[name];

	if (!value)
		throw new Error(`${name} is not set; tests/openapi/run.py sets it`);
	return value;
}

export const server = () => setting("LEAT_URL");

// The description that was built in, not the source of it.
export async function document() {
	return new Document(JSON.parse(await readFile(setting("LEAT_OPENAPI"), "utf8")));
}

// What was recorded, in the order in which it ended.
export async function* exchanges() {
	for (const name of setting("LEAT_EXCHANGES").split(":"))
		for await (const line of createInterface({ input: createReadStream(name) }))
			yield JSON.parse(line);
}
