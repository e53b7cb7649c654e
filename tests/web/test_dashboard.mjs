// What holds on every page: first load, loss of the server, thousands of jobs, hostile contents,
// a token where one is wanted.

import assert from 'node:assert/strict';

import { axe } from './support/axe.mjs';
import { drop } from './support/compose.mjs';
import { until } from './support/wait.mjs';

const eq = assert.deepEqual;

export async function the_first_load_is_small_and_quick(t) {
	const server = await t.leat();
	const warm = await t.page(server); // what Chromium itself does the first time is not ours
	await warm.close();
	t.pages.pop();
	const page = await t.browser.page();
	t.pages.push(page);
	const client = await page.context().newCDPSession(page);
	let bytes = 0;
	const urls = new Map();
	await client.send('Network.enable');
	client.on('Network.responseReceived', ({ requestId, response }) => urls.set(requestId, response));
	client.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength; });
	await page.goto(server.url);
	await page.locator('main h1').waitFor();
	await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
	const paint = await page.evaluate(() =>
		performance.getEntriesByName('first-contentful-paint')[0].startTime);
	const [html] = [...urls.values()].filter((each) => each.mimeType === 'text/html');
	const policy = html.headers['content-security-policy'] ?? html.headers['Content-Security-Policy'];
	assert.match(policy, /default-src 'none'|default-src 'self'/);
	assert.doesNotMatch(policy, /unsafe/);
	assert([...urls.values()].every((each) => each.url.startsWith(server.url)), 'nothing from elsewhere');
	assert(bytes > 1000 && bytes < 100_000, `${bytes} bytes were transferred`);
	assert(paint < 10_000, `first contentful paint after ${paint} ms`);
	t.note(`first load: ${(bytes / 1000).toFixed(1)} KB transferred, first contentful paint after ${paint.toFixed(0)} ms`);

	urls.clear();
	bytes = 0;
	await page.reload();
	await page.locator('main h1').waitFor();
	assert(bytes < 20_000, `${bytes} bytes again though all of it was cached`);
}

// Open pages of one server, each when it shows its first data.
async function open(t, server, hashes, options) {
	return Promise.all(hashes.map((hash) => t.page(server, hash, options)));
}

export async function the_server_is_killed_and_comes_back(t) {
	const server = await t.leat();
	const { id } = await server.create({ name: 'survivor', stages: [{ use: 'sleep', params: { ms: 5 } }] });
	await server.send(id, Array.from({ length: 3000 }, (_, i) => i));
	const quiet = /Failed to load resource|net::ERR_/;
	const hashes = ['#/jobs', `#/jobs/${id}`, '#/new', '#/server', '#/stages'];
	const pages = await open(t, server, hashes, { quiet });
	for (const page of pages)
		await page.locator('.connection.live').waitFor();
	await server.kill();
	// Stages is read again every 30 s only: it need not notice.
	for (const page of pages.slice(0, 4))
		await page.getByRole('alert').getByText('Disconnected').waitFor();
	await server.restart();
	await server.request('PATCH', `/v1/jobs/${id}`, { stages: { sleep: { workers: 500 } } });
	for (const page of pages.slice(0, 4)) {
		await page.locator('.connection.live').waitFor();
		await until('the notice is gone', async () => await page.locator('.away').count() === 0);
	}
	await server.create({ name: 'born later', stages: [{ use: 'pass' }] });
	await pages[0].getByRole('link', { name: 'born later' }).waitFor();
	await pages[1].locator('h1 .state.succeeded').waitFor();
	eq((await server.job(id)).counts.results, 3000);
}

export async function five_thousand_jobs_are_listed(t) {
	const server = await t.leat();
	const count = 5000;
	let next = 0;
	await Promise.all(Array.from({ length: 16 }, async () => {
		for (let i = next++; i < count; i = next++)
			await server.create({ name: `job-${String(i).padStart(4, '0')}`, labels: { kind: `k${i % 7}` },
				stages: [{ use: 'pass' }] });
	}));
	const page = await t.page(server);
	await page.evaluate(() => {
		window.longest = 0;
		new PerformanceObserver((list) => {
			for (const entry of list.getEntries())
				window.longest = Math.max(window.longest, entry.duration);
		}).observe({ type: 'longtask' });
	});
	await until('all are read', async () => {
		await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
		return /5,000 jobs/.test(await page.locator('.foot').textContent());
	});
	await until('the oldest can be seen', async () => {
		await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
		return page.getByRole('link', { name: 'job-0000', exact: true }).isVisible();
	});
	const drawn = () => page.locator('tr[data-job]').count();
	assert(await drawn() < 200, `${await drawn()} rows are drawn`);
	const search = page.getByRole('searchbox', { name: /Filter/ });
	await search.fill('job-432');
	await until('ten fit', async () => await drawn() === 10);
	await search.fill('kind=k3');
	await page.locator('.foot', { hasText: '714 jobs of' }).waitFor();
	await search.fill('no-such-job');
	await until('none fits', async () => await drawn() === 0);
	await search.fill('');
	await server.create({ name: 'the newest', stages: [{ use: 'pass' }] });
	await page.getByRole('link', { name: 'the newest' }).waitFor({ state: 'attached' });
	t.note(`5,000 jobs: the longest task of the page took ${(await page.evaluate(() => window.longest)).toFixed(0)} ms`);
}
five_thousand_jobs_are_listed.limit = 240;

const nasty = [
	'<img src=x onerror="window.pwned=1;alert(1)">',
	'<script>window.pwned=1</script>',
	'</textarea></pre><svg onload="window.pwned=1">',
	'javascript:window.pwned=1',
	'\u202egnp.exe\u2066\u200b',
	'{{constructor.constructor("window.pwned=1")()}}',
	'a\u0000b\u0007\u001b[31m\r\n\tc',
	'مرحبا עולם 👩‍👩‍👧‍👦 ' + 'e\u0301'.repeat(50),
];

async function harmless(page, where) {
	const found = await page.evaluate(() => ({
		pwned: window.pwned,
		elements: document.querySelectorAll('main img, main script, main iframe, main object, main [onerror], main [onload], main a[href^="javascript"]').length,
		bidi: /[\u202a-\u202e\u2066-\u2069]/.test(document.querySelector('main').innerText),
		wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
		length: document.querySelector('main').innerText.length,
	}));
	eq([found.pwned, found.elements, found.bidi], [undefined, 0, false], where);
	assert(found.wide <= 1, `${where}: ${found.wide} px wider than the window`);
	assert(found.length < 200_000, `${where}: ${found.length} characters are drawn`);
}

export async function hostile_contents_are_shown_harmlessly(t) {
	const server = await t.leat();
	const labels = { [nasty[0].slice(0, 40)]: nasty[4], '__proto__': nasty[1] };
	const { id } = await server.create({ name: nasty[0] + nasty[4], labels, order: 'input',
		stages: [{ use: 'pass', name: 'constructor' }, { use: 'sha256', params: { field: 'text' } }] });
	const items = nasty.flatMap((text) => [{ text }, { [text]: text }, text, [text]]);
	items.push({ text: 'x'.repeat(900_000) }, { text: 'no-space'.repeat(2000) });
	const deep = '['.repeat(1000) + ']'.repeat(1000);
	await server.send(id, items.map((item) => JSON.stringify(item)).join('\n') + `\n${deep}\n{"__proto__":{"text":"p"},"text":"q"}\n`);
	const job = await server.untilJob(id, 'is done', (now) => now.done);
	eq([job.counts.results, job.counts.failed], [nasty.length + 3, 3 * nasty.length + 1]);
	const page = await t.page(server);
	await page.getByText('onerror="window.pwned=1').first().waitFor();
	await harmless(page, 'jobs');
	for (const tab of ['results', 'failures', 'definition', 'log']) {
		await page.goto(`${server.url}/#/jobs/${id}?tab=${tab}`);
		await page.locator('[role=tabpanel]').locator('button.value, pre, li').first().waitFor();
		await harmless(page, tab);
		const rows = page.locator('.records button.value');
		for (let i = 0; i < Math.min(4, await rows.count()); i++) {
			await rows.nth(i).click();
			await page.getByRole('dialog').waitFor();
			await harmless(page, `${tab} ${i}`);
			await page.keyboard.press('Escape');
			await until('it is closed', async () => await page.locator('dialog').count() === 0);
		}
	}
	await page.goto(`${server.url}/#/new?from=${id}`);
	await page.locator('.stage-card').nth(1).waitFor();
	await drop(page, [{ name: `${nasty[0]}.ndjson`, bytes: items.map((item) => JSON.stringify(item)).join('\n') }]);
	await page.locator('.preview').getByText('pwned').first().waitFor();
	await harmless(page, 'new job');
}

export async function a_token_is_asked_for_and_used(t) {
	const server = await t.leat({ tokens: 'read,submit,operate' });
	const { token } = server;
	const { id } = await server.create({ name: 'behind a token', stages: [{ use: 'pass' }] });
	const page = await t.browser.page({ quiet: /status of 401/ });
	t.pages.push(page);
	await page.goto(server.url);
	const dialog = page.getByRole('dialog', { name: 'This server wants a token' });
	await dialog.waitFor();
	await t.shot(page, 'token-light');
	eq(await axe(t, page), []);
	await page.keyboard.press('Escape');
	await page.getByRole('alert').getByText('A token is wanted').waitFor();
	await page.getByRole('button', { name: 'Enter it' }).click();
	await dialog.getByLabel('Token').fill(`${token}x`);
	await dialog.getByLabel('Token').press('Enter');
	await dialog.getByText('did not accept the last one').waitFor();
	await dialog.getByLabel('Token').fill(token);
	await dialog.getByRole('button', { name: 'Use it' }).click();
	await page.getByRole('link', { name: 'behind a token' }).waitFor();
	eq(await page.evaluate((value) => Object.values(sessionStorage).includes(value), token), true);
	eq(await page.evaluate((value) => JSON.stringify(localStorage).includes(value), token), false);
	eq(await page.evaluate(() => document.cookie), '');
	await page.goto(`${server.url}/#/new?from=${id}`);
	await page.locator('.verdict-text.good').waitFor();
	const commands = await page.locator('#commands').innerText();
	assert(commands.includes('$LEAT_TOKEN') && !commands.includes(token), commands);
	for (const hash of ['#/stages', '#/server', `#/jobs/${id}`]) {
		await page.goto(`${server.url}/${hash}`);
		await page.locator('.connection.live').waitFor();
		eq(await dialog.count(), 0, hash);
	}
	// The event stream shows the token, too: what happens elsewhere is seen here.
	await server.request('POST', `/v1/jobs/${id}/pause`);
	await page.getByText('paused').first().waitFor();
	await page.goto(`${server.url}/#/`);
	await page.locator('.connection.live').waitFor();
	await server.create({ name: 'came later', stages: [{ use: 'pass' }] });
	await page.getByRole('link', { name: 'came later' }).waitFor();
}
