// Every page in light and dark and on a phone: axe finds nothing, nothing is wider than the
// window, and pictures are kept for people to look at (build/screenshots).

import { axe } from './support/axe.mjs';
import { addStage, at, drop } from './support/compose.mjs';

// One job of every kind that a page has to show.
async function populate(server) {
	const numbers = (count) => Array.from({ length: count }, (_, i) => ({ id: i, text: `order ${i}`, city: 'Zürich' }));
	const sha = { use: 'sha256', params: { field: 'text' }, workers: 2 };
	const made = {};
	const make = async (what, definition, items, close = true) => {
		const { id } = await server.create({ name: what, ...definition });
		if (items)
			await server.send(id, items, close ? '?close=true' : '');
		made[what] = id;
		return id;
	};
	const failing = await make('orders with failures', { labels: { team: 'weir', day: 'monday' },
		stages: [sha, { use: 'fail', params: { every: 40 } }] }, numbers(4000));
	await server.untilJob(failing, 'is done', (job) => job.done);
	const report = await make('totals by city', { stages: [
		{ use: 'range', params: { to: 5000, template: { n: '$i', city: 'Zürich' } } },
		{ use: 'aggregate', params: { field: 'n', by: 'city' } }] });
	await server.untilJob(report, 'is done', (job) => job.done);
	const broken = await make('limit reached', { limits: { max_failures: 3 },
		stages: [{ use: 'fail', params: { every: 2 } }] }, numbers(100));
	await server.untilJob(broken, 'has failed', (job) => job.state === 'failed');
	const paused = await make('waits for the night', { stages: [sha] }, numbers(300), false);
	await server.request('POST', `/v1/jobs/${paused}/pause`);
	const gone = await make('given up', { stages: [{ use: 'sleep', params: { ms: 100 } }] }, numbers(500));
	await server.request('POST', `/v1/jobs/${gone}/cancel`);
	await make('open for more', { stages: [sha] });
	const busy = await make('orders, tonight', { labels: { team: 'weir' }, order: 'input', stages: [
		{ use: 'filter', params: { pointer: 'id', op: 'ge', value: 10 } }, { ...sha, workers: 4 },
		{ use: 'fail', params: { every: 500 } },
		{ use: 'sleep', params: { ms: 20, jitter_ms: 20 }, workers: 24 }] }, numbers(200000));
	await server.untilJob(busy, 'is under way', (job) => job.counts.succeeded > 500);
	return made;
}

async function composed(page) {
	for (const name of ['sha256', 'filter', 'pick'])
		await addStage(page, name);
	await at(page, '/stages/0/params/field').fill('text');
	await at(page, '/stages/1/params/pointer').fill('id');
	await at(page, '/stages/1/params/op').selectOption('ge');
	await at(page, '/stages/1/params/value').fill('100');
	await drop(page, [{ name: 'orders.ndjson', bytes: '{"id":1,"text":"behind the old weir"}\n{"id":2,"text":"ask for the miller"}\n' }]);
	await page.locator('.verdict-text.missing', { hasText: '1 thing to fill in' }).waitFor();
	await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
}

const pagesOf = (made) => [
	['jobs', '#/jobs', (page) => page.locator('tr[data-job]').nth(6).waitFor()],
	['job', `#/jobs/${made['orders, tonight']}`, (page) => page.locator('.charts canvas').first().waitFor()],
	['results', `#/jobs/${made['orders with failures']}`, (page) => page.locator('.records button.value').first().waitFor()],
	['failures', `#/jobs/${made['orders with failures']}?tab=failures`, (page) => page.locator('.records button.value').first().waitFor()],
	['failure', `#/jobs/${made['orders with failures']}?tab=failures`, async (page) => {
		await page.locator('.records button.value').first().click();
		await page.getByRole('dialog').waitFor();
	}],
	['definition', `#/jobs/${made['totals by city']}?tab=definition`, (page) => page.getByText('aggregate').first().waitFor()],
	['log', `#/jobs/${made['limit reached']}?tab=log`, (page) => page.locator('.log li').first().waitFor()],
	['paused', `#/jobs/${made['waits for the night']}`, (page) => page.locator('h1 .state.paused').waitFor()],
	['new', '#/new', composed],
	['stages', '#/stages', (page) => page.locator('article').nth(3).waitFor()],
	['server', '#/server', (page) => page.locator('.trace polyline').first().waitFor({ state: 'attached' })],
	['no-such-page', '#/elsewhere', (page) => page.getByText('There is no such page').waitFor()],
	['no-such-job', '#/jobs/j_00000000000000000000000000', (page) => page.getByText(/no such job|cannot be shown|is no job/i).first().waitFor()],
];

async function narrowEnough(page) {
	const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
	return wide <= 1 ? [] : [`${wide} px wider than the window`];
}

async function look(t, server, made, looks, options) {
	const wrong = [];
	const page = await t.page(server, '#/jobs', { quiet: /status of 404/, ...options });
	for (const [name, hash, ready] of pagesOf(made)) {
		await page.goto('about:blank');
		await page.goto(`${server.url}/${hash}`);
		await page.locator('main h1').first().waitFor();
		await ready(page);
		await t.shot(page, `${name}-${looks}`);
		const found = [...await narrowEnough(page), ...await axe(t, page)];
		wrong.push(...found.map((each) => `${name}, ${looks}: ${each}`));
	}
	return wrong;
}

export async function every_page_in_light_dark_and_on_a_phone(t) {
	const server = await t.leat();
	const made = await populate(server);
	const wrong = await Promise.all([
		look(t, server, made, 'light', {}),
		look(t, server, made, 'dark', { dark: true }),
		look(t, server, made, 'phone', { size: { width: 390, height: 844 }, touch: true, deviceScaleFactor: 2 }),
	]);
	if (wrong.flat().length > 0)
		throw new Error(wrong.flat().join('\n'));
}
every_page_in_light_dark_and_on_a_phone.limit = 300;

export async function an_empty_server_welcomes(t) {
	const server = await t.leat();
	const page = await t.page(server, '#/', { quiet: /Failed to load resource: net::ERR_/ });
	await page.locator('main').getByText('New job').or(page.locator('main a[href^="#/new"]')).first().waitFor();
	await t.shot(page, 'welcome-light');
	const wrong = await axe(t, page);
	await server.kill();
	await page.locator('.away').waitFor();
	await t.shot(page, 'disconnected-light');
	wrong.push(...await axe(t, page));
	server.stopped = true;
	if (wrong.length > 0)
		throw new Error(wrong.join('\n'));
}
