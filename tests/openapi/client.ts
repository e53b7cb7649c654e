// A job run by a client that was generated from the document: what compiles here is what a user of the
// document gets from their compiler.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Job = components["schemas"]["Job"];
type Problem = components["schemas"]["Problem"];

function good<T>(what: string, { data, error, response }: { data?: T; error?: unknown; response: Response }): T {
	if (data === undefined)
		throw new Error(`${what}: ${response.status} ${JSON.stringify(error)}`);
	return data;
}

export async function run(baseUrl: string): Promise<{ job: Job; results: unknown[]; refused: Problem }> {
	const client = createClient<paths>({ baseUrl });
	const text = { bodySerializer: (body: unknown) => String(body) };

	const made = good("create", await client.POST("/v1/jobs", {
		body: { stages: [{ use: "sha256", workers: 2, params: { field: "text" } }], order: "input" },
	}));
	const path = { id: made.id };

	const taken = good("upload", await client.POST("/v1/jobs/{id}/items", {
		params: { path, query: { close: true }, header: { "Idempotency-Key": "generated" } },
		body: '{"text":"a"}\n{"text":"b"}\n',
		headers: { "Content-Type": "application/x-ndjson" },
		...text,
	}));
	if (taken.accepted !== 2)
		throw new Error(`accepted: ${taken.accepted}`);

	let job: Job = made;
	while (!job.done)
		job = good("look", await client.GET("/v1/jobs/{id}", { params: { path, query: { wait_ms: 10_000, version: job.version } } }));

	const page = good("read", await client.GET("/v1/jobs/{id}/results", {
		params: { path, query: { limit: 10 } },
		headers: { Accept: "application/json" },
	}));
	// Which of the forms it is follows from Accept, which types do not know.
	const { items } = page as components["schemas"]["ResultPage"];

	const { error } = await client.POST("/v1/jobs/{id}/cancel", { params: { path } });
	if (error === undefined)
		throw new Error("a job that has succeeded was cancelled");
	const { response } = await client.DELETE("/v1/jobs/{id}", { params: { path } });
	if (response.status !== 204)
		throw new Error(`delete: ${response.status}`);
	return { job, results: items, refused: error };
}

// Mistakes are found by the compiler.
export function refuses(client: ReturnType<typeof createClient<paths>>): void {
	// @ts-expect-error: there is no such path
	void client.GET("/v1/job");
	// @ts-expect-error: workers are counted
	void client.POST("/v1/jobs", { body: { stages: [{ use: "pass", workers: "3" }] } });
	// @ts-expect-error: there is no such state
	void client.GET("/v1/jobs", { params: { query: { state: "asleep" } } });
	// @ts-expect-error: the id is missing
	void client.DELETE("/v1/jobs/{id}", {});
}
