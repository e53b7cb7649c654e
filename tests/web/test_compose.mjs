// The page "New job": forms, checks, the raw view, files, commands, uploads.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import { axe } from './support/axe.mjs';
import { addStage, at, create, definition, drop, ready, unfold } from './support/compose.mjs';
import { until } from './support/wait.mjs';

const eq = assert.deepEqual;
const ndjson = (count, item) =>
	Array.from({ length: count }, (_, i) => JSON.stringify(item(i)) + '\n').join('');

export async function a_job_is_composed_checked_and_sent(t) {
	const server = await t.leat();
	const page = await t.page(server, '#/new');
	await addStage(page, 'sha256');
	const field = page.locator('.compose-field', { has: at(page, '/stages/0/params/field') });
	await field.locator('.field-wrong', { hasText: 'still to fill in' }).waitFor();
	assert(await page.locator('.verdict .button.primary').isDisabled(), 'nothing is made of half a job');
	await page.locator('.mistakes button', { hasText: '/stages/0/params/field' }).click();
	eq(await page.evaluate(() => document.activeElement.id), 'at/stages/0/params/field');
	await page.keyboard.type('text');
	await ready(page);
	await drop(page, [{ name: 'a.ndjson.gz',
		bytes: gzipSync(ndjson(500, (i) => ({ id: i, text: `item ${i}`, 'deep/er': { x: 1 } }))) },
	{ name: 'b.json', bytes: JSON.stringify([{ text: 'in an array' }, { text: 'too' }]) }]);
	assert.match(await page.locator('.chosen').nth(0).textContent(), /gzip, one item a line/);
	assert.match(await page.locator('.chosen').nth(1).textContent(), /39 B, JSON/);
	eq(await page.locator('datalist option').evaluateAll((all) => all.map((each) => each.value)),
		['id', 'text', '/deep~1er', '/deep~1er/x'], 'the fields of the first items are offered');
	const id = await create(page);
	const job = await server.untilJob(id, 'is done', (now) => now.done);
	eq([job.state, job.counts.total, job.counts.succeeded], ['succeeded', 502, 502]);
	const results = await server.results(id);
	eq(results.filter((each) => /^[0-9a-f]{64}$/.test(each.sha256)).length, 502);
}

export async function every_field_goes_into_the_definition(t) {
	const server = await t.leat();
	const page = await t.page(server, '#/new');
	for (const name of ['filter', 'pick', 'aggregate', 'sleep', 'range'])
		await addStage(page, name);
	eq((await definition(page)).stages.map((each) => each.use),
		['range', 'filter', 'pick', 'sleep', 'aggregate'], 'a source first, a sink last');
	assert(await page.locator('.palette-stage', { hasText: 'range' }).isDisabled(), 'one source');
	await at(page, '/stages/0/params/to').fill('10');
	await at(page, '/stages/0/params/template').fill('{"n":"$i","s":"x"}');
	await at(page, '/stages/1/params/pointer').fill('/n');
	await at(page, '/stages/1/params/op').selectOption('ge');
	await at(page, '/stages/1/params/value').fill('5');
	await page.getByRole('button', { name: 'names and values' }).click();
	await page.getByLabel('fields 1: new name').fill('num');
	await page.getByLabel('fields 1: name or pointer').fill('/n');
	await at(page, '/stages/3/params/ms').fill('1');
	await page.getByLabel('More: Workers of stage 4').click();
	await unfold(page, 3);
	await at(page, '/stages/3/name').fill('nap');
	await at(page, '/stages/3/queue/bytes').fill('2 MiB');
	await at(page, '/stages/3/retry/attempts').fill('5');
	await at(page, '/stages/3/timeout_ms').fill('1.5 s');
	await at(page, '/stages/3/on_error').selectOption('drop');
	await at(page, '/stages/3/rate/per_second').fill('1000.5');
	await at(page, '/name').fill('all of it');
	await page.getByLabel('Label 1: label').fill('team');
	await page.getByLabel('Label 1: value').fill('weir');
	await page.locator('summary', { hasText: 'Order, limits' }).click();
	await at(page, '/order').selectOption('input');
	await at(page, '/limits/max_failure_ratio').fill('0.5');
	await at(page, '/limits/deadline_ms').fill('10 min');
	await at(page, '/retention_ms').fill('1 h');
	eq(await definition(page), {
		stages: [
			{ use: 'range', params: { to: 10, template: { n: '$i', s: 'x' } } },
			{ use: 'filter', params: { pointer: '/n', op: 'ge', value: 5 } },
			{ use: 'pick', params: { fields: { num: '/n' } } },
			{ use: 'sleep', params: { ms: 1 }, workers: 2, name: 'nap', queue: { bytes: 2097152 },
				retry: { attempts: 5 }, timeout_ms: 1500, on_error: 'drop', rate: { per_second: 1000.5 } },
			{ use: 'aggregate' },
		],
		name: 'all of it', labels: { team: 'weir' }, order: 'input',
		limits: { max_failure_ratio: 0.5, deadline_ms: 600000 }, retention_ms: 3600000,
	});
	await at(page, '/stages/3/queue/bytes').fill('');
	await at(page, '/limits/max_failure_ratio').fill('');
	eq((await definition(page)).stages[3].queue, undefined, 'an empty field is not sent');
	const id = await create(page);
	const job = await server.untilJob(id, 'is done', (now) => now.done);
	eq([job.name, job.state, job.counts.filtered, job.report?.count ?? job.report?.aggregate?.count],
		['all of it', 'succeeded', 5, 5], JSON.stringify(job.report));
}

export async function mistakes_stand_at_their_fields(t) {
	const server = await t.leat();
	const page = await t.page(server, '#/new');
	await addStage(page, 'sleep');
	const wrong = async (pointer, text) => {
		const box = page.locator('.compose-field', { has: at(page, pointer) });
		await box.locator('.field-wrong', { hasText: text }).waitFor();
		eq(await at(page, pointer).getAttribute('aria-invalid'), 'true', pointer);
		const about = (await at(page, pointer).getAttribute('aria-describedby')).split(' ');
		const said = await page.evaluate((ids) =>
			ids.map((id) => document.getElementById(id).textContent).join(' '), about);
		assert.match(said, text, 'a screen reader says it, too');
	};
	await at(page, '/stages/0/params/ms').fill('-1');
	await wrong('/stages/0/params/ms', /86400000/);
	await at(page, '/stages/0/params/ms').fill('soon');
	await wrong('/stages/0/params/ms', /"soon"/);
	await at(page, '/stages/0/params/ms').fill('1');
	await ready(page);
	await unfold(page, 0);
	await at(page, '/stages/0/retry/attempts').fill('0');
	await wrong('/stages/0/retry/attempts', /0/);
	await at(page, '/stages/0/retry/attempts').fill('');
	await page.locator('#definition').fill('{"stages":[{"use":"sleep","params":{"ms":1,"mss":2}}]}');
	await page.locator('.stage-others', { hasText: '/params/mss' }).waitFor();
	await page.locator('#definition').fill('{"stages":[{"use":"sha265"}]}');
	await page.locator('.stage-others', { hasText: "did you mean 'sha256'" }).waitFor();
	await page.locator('#definition').fill('{"stages":[{"use":"pass"}],"lables":{}}');
	await page.locator('.mistakes', { hasText: '/lables' }).waitFor();
}

export async function the_raw_view_and_the_form_are_one(t) {
	const server = await t.leat();
	const page = await t.page(server, '#/new');
	const raw = page.locator('#definition');
	await raw.fill('{"stages":[{"use":"sha256","params":{"field":"a"}},{"use":"pass"}]}');
	await until('two cards stand there', async () => await page.locator('.stage-card').count() === 2);
	eq(await at(page, '/stages/0/params/field').inputValue(), 'a');
	await ready(page);
	await raw.fill('{"stages":[{"use":"sha256"');
	await page.locator('.raw-wrong', { hasText: 'Not JSON yet' }).waitFor();
	assert(await page.locator('.verdict .button.primary').isDisabled());
	eq(await page.locator('.stage-card').count(), 2, 'the form keeps what it had');
	await at(page, '/stages/0/params/field').fill('b');
	eq((await definition(page)).stages[0].params, { field: 'b' });
	for (const odd of ['[]', '3', 'null', '{}', '{"stages":7}', '{"stages":[7,null,"x",[]]}',
		'{"stages":[{"use":{"a":1},"params":[1],"queue":3,"workers":"many","name":[]}],"labels":[1]}']) {
		await raw.fill(odd);
		await page.locator('.verdict-text:not(.good):not(.checking)').waitFor();
		eq(await raw.inputValue(), odd);
	}
	await raw.fill('{"stages":[{"use":"pass"}]}');
	await ready(page);
	await page.reload();
	await until('the draft is still there', async () => await page.locator('.stage-card').count() === 1);
	await page.getByRole('button', { name: 'Start over' }).click();
	await until('nothing is left', async () => await page.locator('.stage-card').count() === 0);
	await page.getByRole('button', { name: 'Undo' }).click();
	await until('all is back', async () => await page.locator('.stage-card').count() === 1);
}

export async function stages_are_moved_by_keys_and_buttons(t) {
	const server = await t.leat();
	const page = await t.page(server, '#/new');
	for (const name of ['explode', 'pass', 'sha256'])
		await addStage(page, name);
	const order = async () => (await definition(page)).stages.map((each) => each.use).join();
	const focused = () => page.evaluate(() => document.activeElement.id);
	await at(page, '/stages/2/params/into').fill('hash');
	await at(page, '/stages/2/params/into').press('Alt+ArrowUp');
	eq(await order(), 'explode,sha256,pass');
	await until('the focus goes along', async () => await focused() === 'at/stages/1/params/into');
	eq(await at(page, '/stages/1/params/into').inputValue(), 'hash');
	await page.keyboard.press('Alt+ArrowUp');
	await until('and again', async () => await focused() === 'at/stages/0/params/into');
	await page.keyboard.press('Alt+ArrowUp');
	eq(await order(), 'sha256,explode,pass', 'there is nothing above the first');
	await at(page, '/stages/0#down').press('Enter');
	await until('the button goes along', async () => await focused() === 'at/stages/1#down');
	await page.keyboard.press('Enter');
	await until('at the end the other one', async () => await focused() === 'at/stages/2#up');
	eq(await order(), 'explode,pass,sha256');
	assert.match(await page.locator('.pipeline [role=status]').textContent(), /sha256 is now stage 3 of 3/);
	await page.getByRole('button', { name: 'Repeat stage 3, sha256' }).click();
	await page.getByRole('button', { name: 'Remove stage 1, explode' }).click();
	eq(await order(), 'pass,sha256,sha256');
	eq((await definition(page)).stages[2].params, { into: 'hash' });
	await page.getByRole('button', { name: 'Undo' }).click();
	eq(await order(), 'explode,pass,sha256,sha256');
}

export async function the_commands_do_the_same(t) {
	const server = await t.leat();
	const page = await t.page(server, '#/new');
	await page.locator('#definition').fill(JSON.stringify({
		name: "it's \"quoted\" $HOME `x` \\ é", order: 'input',
		stages: [{ use: 'sha256', params: { field: 'text' } }],
	}));
	const name = "my 'items'.ndjson";
	const items = ndjson(50, (i) => ({ text: `${i}` }));
	await drop(page, [{ name, bytes: items }]);
	await ready(page);
	await page.getByRole('button', { name: 'Copy the commands' }).click();
	const text = await page.evaluate(() => navigator.clipboard.readText());
	eq(text, await page.locator('#commands').innerText());
	writeFileSync(join(server.folder, name), items);
	await promisify(execFile)('sh', ['-euc', `${text}\nwc -l <results.ndjson`],
		{ cwd: server.folder, timeout: 60_000 });
	const [job] = (await server.get('/v1/jobs')).items;
	eq([job.name, job.state, job.counts.results], ["it's \"quoted\" $HOME `x` \\ é", 'succeeded', 50]);
}

export async function a_job_begins_as_another_one_was(t) {
	const server = await t.leat();
	const given = { name: 'first', labels: { a: 'b' }, stages: [
		{ use: 'sha256', params: { field: '/x' }, workers: 3, retry: { attempts: 7 } }, { use: 'pass' }] };
	const { id } = await server.create(given);
	const page = await t.page(server, `#/new?from=${id}`);
	await until('the definition has come', async () => (await definition(page)).name === 'first');
	const { retention_ms: _, ...rest } = await definition(page);
	eq(rest, given, 'without all the defaults');
	await ready(page);
	await page.goto(`${server.url}/#/new?from=j_00000000000000000000000000`);
	await page.locator('.toast.bad', { hasText: 'cannot be had' }).waitFor();
	page.wrong = page.wrong.filter((each) => !/404/.test(each));
	await page.goto(`${server.url}/#/stages`);
	await page.getByRole('link', { name: 'Use in a new job: fail' }).click();
	await until('the stage is added', async () =>
		(await definition(page)).stages?.map((each) => each.use).join() === 'sha256,pass,fail');
}

export async function pasted_items_are_sent_or_wait(t) {
	const server = await t.leat();
	const page = await t.page(server, '#/new');
	await addStage(page, 'pass');
	await page.getByRole('button', { name: 'Paste' }).click();
	await page.locator('#paste').fill('{"a":1}\n{"a":\n');
	await page.locator('.doubt', { hasText: 'Line 2 is not JSON' }).waitFor();
	await page.locator('#paste').fill('[{"a":1},{"a":2},"<b>x</b>"]');
	eq(await page.locator('.preview code').allTextContents(), ['{"a":1}', '{"a":2}', '"<b>x</b>"']);
	const id = await create(page);
	await server.untilJob(id, 'is done', (job) => job.done);
	eq(await server.results(id), [{ a: 1 }, { a: 2 }, '<b>x</b>']);
	await page.goto(`${server.url}/#/new`);
	await addStage(page, 'pass');
	await page.getByRole('button', { name: 'Later, over HTTP' }).click();
	const later = await create(page);
	eq((await server.job(later)).input.state, 'open');
}

export async function a_wrong_line_ends_the_upload_or_is_passed_over(t) {
	const server = await t.leat();
	const page = await t.page(server, '#/new', { quiet: /status of 422/ });
	await addStage(page, 'pass');
	await drop(page, [{ name: 'mixed.ndjson', bytes: '1\n2\nthree\n4\n' }]);
	await page.locator('.chosen .doubt', { hasText: 'Line 3' }).waitFor();
	const id = await create(page);
	const strip = page.locator('.upload.stopped');
	await strip.waitFor();
	await t.shot(page, 'upload-stopped-light');
	eq(await axe(t, page), []);
	assert.match(await strip.textContent(), /2 items are in.*3/s);
	eq((await server.job(id)).input.state, 'open', 'nothing is lost: it can go on');
	await page.getByRole('button', { name: 'Go on without bad lines' }).click();
	const job = await server.untilJob(id, 'is done', (now) => now.done);
	eq([job.counts.total, job.counts.results], [3, 3]);
	await until('the notice is gone', async () => await page.locator('.upload').count() === 0);
}

export async function an_upload_goes_on_after_the_server_was_killed(t) {
	const server = await t.leat();
	const page = await t.page(server, '#/new', { quiet: /Failed to load resource/ });
	const count = 40000;
	await page.locator('#definition').fill(JSON.stringify({
		stages: [{ use: 'sleep', params: { ms: 20 }, workers: 10 }], backlog: { bytes: 65536 } }));
	await drop(page, [{ name: 'many.ndjson', bytes: ndjson(count, (i) => ({ i, text: 'x'.repeat(80) })) }]);
	const id = await create(page);
	await server.untilJob(id, 'has some', (job) => job.counts.succeeded > 200);
	await page.locator('.upload.sending').waitFor();
	await t.shot(page, 'upload-light');
	eq(await axe(t, page), []);
	await server.kill();
	await page.locator('.upload.waiting').waitFor();
	await server.restart();
	await server.request('PATCH', `/v1/jobs/${id}`, { stages: { sleep: { workers: 5000 } } });
	const job = await server.untilJob(id, 'is done', (now) => now.done);
	eq([job.state, job.counts.total, job.counts.results], ['succeeded', count, count]);
	await until('the notice is gone', async () => await page.locator('.upload').count() === 0);
	const seen = new Set((await server.results(id)).map((each) => each.i));
	eq(seen.size, count, 'every item once');
}
