// The one picture that README.md shows: a job under way. `tests/web/run --readme FILE` makes it.

import { until } from './wait.mjs';

const items = (from, count) => Array.from({ length: count }, (_, i) =>
	`{"id":${from + i},"text":"behind the old weir ask for the miller, order ${from + i}","qty":${i % 9}}\n`).join('');

export async function readmePicture(t) {
	const server = await t.leat();
	const { id } = await server.create({ name: 'orders, tonight', labels: { team: 'weir' }, order: 'input', stages: [
		{ use: 'filter', params: { pointer: 'qty', op: 'gt', value: 0 } },
		{ use: 'sha256', params: { field: 'text' }, workers: 4 },
		{ use: 'sleep', name: 'lookup', params: { ms: 8, jitter_ms: 6 }, workers: 12 }] });
	const page = await t.page(server, `#/jobs/${id}`, { size: { width: 1280, height: 980 } });
	await server.send(id, items(0, 60000), '?close=true');
	// A change of the workers is seen in the charts.
	const past = (count) => server.untilJob(id, `has ${count}`, (job) => job.counts.succeeded > count);
	await past(9000);
	await server.request('PATCH', `/v1/jobs/${id}`, { stages: { lookup: { workers: 36 } } });
	await past(34000);
	await page.locator('.charts canvas').nth(2).waitFor();
	await until('the page has caught up', async () =>
		/^(5|6)/.test(await page.locator('.big-percent').textContent()));
	await page.screenshot({ path: t.options.readme });
}
