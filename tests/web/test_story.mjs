// One person's whole way through the dashboard, by mouse and by keyboard alone.

import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { addStage, at, create, drop } from './support/compose.mjs';
import { until } from './support/wait.mjs';

const eq = assert.deepEqual;

async function download(page, server, button) {
	const [file] = await Promise.all([page.waitForEvent('download'),
		page.locator('.records-bar').getByRole('button', { name: button }).click()]);
	const path = join(server.folder, file.suggestedFilename());
	await file.saveAs(path);
	return path;
}

async function lines(path) {
	let count = 0;
	for await (const line of createInterface({ input: createReadStream(path) })) {
		JSON.parse(line);
		count++;
	}
	return count;
}

export async function compose_drop_watch_rescale_retry_download(t) {
	const server = await t.leat();
	const page = await t.page(server);
	await page.getByRole('navigation').getByRole('link', { name: 'New job' }).click();
	for (const name of ['sha256', 'fail', 'sleep'])
		await addStage(page, name);
	await at(page, '/stages/0/params/field').fill('text');
	await at(page, '/stages/1/params/every').fill('1000');
	await at(page, '/stages/2/params/ms').fill('2');
	await at(page, '/name').fill('the whole story');
	let text = '';
	for (let i = 0; i < 100000; i++)
		text += `{"id":${i},"text":"order ${i}"}\n`;
	await drop(page, [{ name: 'orders.ndjson', bytes: text }]);
	const id = await create(page);

	// It runs, its last stage is what holds it up, and the page says so.
	await page.locator('h1', { hasText: 'the whole story' }).waitFor();
	await page.locator('.state.running').first().waitFor();
	await page.locator('.flow .bottleneck', { hasText: 'sleep' }).waitFor();
	await until('the upload is over', async () => await page.locator('.upload').count() === 0);
	const slow = await server.job(id);
	assert(!slow.done && slow.counts.succeeded < 90000, 'one worker takes minutes');

	// More workers: the effect is seen.
	const workers = page.getByRole('spinbutton', { name: 'Workers of sleep' });
	await workers.fill('800');
	await workers.press('Enter');
	await server.untilJob(id, 'has 800 workers', (job) => job.stages[2].workers === 800);
	await page.locator('h1 .state.succeeded').waitFor({ timeout: 120_000 });
	const job = await server.job(id);
	eq([job.counts.total, job.counts.succeeded, job.counts.failed, job.counts.results],
		[100000, 99900, 100, 99900]);
	await page.locator('.figure', { hasText: 'Results' }).getByText('99,900').waitFor();

	// The failures, one of them whole, all of them again.
	await page.getByRole('tab', { name: /Failures/ }).click();
	await page.getByRole('status').filter({ hasText: '100 of 100 loaded' }).waitFor();
	await page.getByRole('button', { name: /item 999 fails at attempt 1/ }).click();
	await page.getByRole('dialog').getByText('"order 999"').waitFor();
	await page.keyboard.press('Escape');
	await page.getByRole('button', { name: /^Retry all/ }).click();
	await server.untilJob(id, 'has done the failed ones again', (now) =>
		now.done && now.stages[1].failed === 200 && now.counts.failed === 100);
	await page.locator('h1 .state.succeeded').waitFor();
	await page.getByRole('status').filter({ hasText: '100 of 100 loaded' }).waitFor();
	const failures = await download(page, server, /^Download CSV/);
	const csv = (await readFile(failures, 'utf8')).trimEnd().split(/\r?\n/);
	eq(csv.length, 101, csv.slice(0, 3).join('\n'));

	// The results, on disk.
	await page.getByRole('tab', { name: /Results/ }).click();
	eq(await lines(await download(page, server, /^Download NDJSON/)), 99900);
}
compose_drop_watch_rescale_retry_download.limit = 240;

// Presses a key until what has the focus is called so.
async function tabTo(page, name, key = 'Tab', most = 120) {
	for (let pressed = 0; pressed < most; pressed++) {
		const found = await page.evaluate(() => {
			const element = document.activeElement;
			const labels = [...(element.labels ?? [])].map((label) => label.textContent);
			return [element.getAttribute('aria-label') ?? '', ...labels, element.textContent]
				.find((text) => text.trim() !== '') ?? '';
		});
		if (name.test(found.trim()))
			return;
		await page.keyboard.press(key);
	}
	throw new Error(`${most} times ${key} never came to ${name}`);
}

export async function everything_is_within_reach_of_the_keyboard(t) {
	const server = await t.leat();
	const page = await t.page(server);
	const keys = page.keyboard;
	await keys.press('Tab');
	await tabTo(page, /^Skip to the contents/);
	await tabTo(page, /^New job$/);
	await keys.press('Enter');
	await page.waitForURL(/#\/new/);
	await tabTo(page, /^Search the stages$/);
	await keys.type('sha');
	await until('one stage is left', async () => await page.locator('.palette-stage').count() === 1);
	await keys.press('Enter');
	await until('it is added', async () => await page.locator('.stage-card').count() === 1);
	await keys.press('Control+A');
	await keys.type('fail every');
	await until('one stage is left', async () => await page.locator('.palette-stage strong', { hasText: 'fail' }).count() === 1);
	await keys.press('Enter');
	await until('both are there', async () => await page.locator('.stage-card').count() === 2);
	await tabTo(page, /^field required/, 'Shift+Tab');
	await keys.type('text');
	await keys.press('Alt+ArrowDown');
	await page.locator('.stage-card').nth(1).getByRole('heading', { name: 'sha256' }).waitFor();
	await keys.press('Alt+ArrowUp');
	await tabTo(page, /^every/);
	await keys.type('2');
	await tabTo(page, /^Paste$/);
	await keys.press('Space');
	await tabTo(page, /^Items, one JSON text/);
	await keys.type('{"text":"a"}\n{"text":"b"}\n{"text":"c"}');
	await page.locator('.verdict-text.good').waitFor();
	await tabTo(page, /^Create and send/);
	await keys.press('Enter');
	await page.waitForURL(/#\/jobs\/j_/);
	await page.locator('h1 .state.succeeded').waitFor();
	await tabTo(page, /^Results/);
	await keys.press('ArrowRight');
	await page.getByRole('tab', { name: /Failures/, selected: true }).waitFor();
	await tabTo(page, /^item 1 fails at attempt 1/);
	await keys.press('Enter');
	await page.getByRole('dialog').waitFor();
	await keys.press('Escape');
	await until('the dialog is closed', async () => await page.locator('dialog').count() === 0);
	await tabTo(page, /^Delete$/, 'Shift+Tab');
	await keys.press('Enter');
	const dialog = page.getByRole('dialog');
	await dialog.waitFor();
	await keys.press('Escape');
	await until('asked, not done', async () => await page.locator('dialog').count() === 0);
	eq((await server.get('/v1/jobs')).items.length, 1);
	await tabTo(page, /^Delete$/, 'Shift+Tab');
	await keys.press('Enter');
	await dialog.waitFor();
	await tabTo(page, /^Delete the job$/);
	await keys.press('Enter');
	await until('the job is gone', async () => (await server.get('/v1/jobs')).items.length === 0);
	await page.waitForURL(/#\/jobs$/);
}
