// The pages of the API's description at /docs: shown whole under the strict policy, from this server
// alone, in light and dark and on a phone; and what they offer to try works.

async function open(t, server, options) {
	const page = await t.browser.page(options);
	t.pages.push(page);
	page.elsewhere = [];
	page.on('request', (request) => {
		const url = new URL(request.url());
		if (url.protocol.startsWith('http') && url.origin !== server.url)
			page.elsewhere.push(request.url());
	});
	await page.goto(`${server.url}/docs`);
	await page.locator('.opblock').first().waitFor();
	return page;
}

function expect(condition, message) {
	if (!condition)
		throw new Error(message);
}

export async function every_operation_is_shown_and_nothing_is_asked_of_others(t) {
	const server = await t.leat();
	const page = await open(t, server);
	const described = await (await fetch(`${server.url}/openapi.json`)).json();
	const operations = Object.values(described.paths).flatMap((item) =>
		['get', 'post', 'put', 'patch', 'delete'].filter((method) => item[method]));
	expect(await page.locator('.opblock').count() === operations.length,
		`${await page.locator('.opblock').count()} of ${operations.length} operations are shown`);
	await page.locator('#operations-Jobs-createJob .opblock-summary-control').click();
	await page.locator('#operations-Jobs-createJob .responses-table').waitFor();
	await page.getByText('Three stages, in the order of the items').first().waitFor({ state: 'attached' });
	await t.shot(page, 'docs-light');
	expect(page.elsewhere.length === 0, `asked of others: ${page.elsewhere}`);
}

export async function what_is_tried_is_done(t) {
	const server = await t.leat();
	const page = await open(t, server);
	const live = page.locator('#operations-Server-getLiveness');
	await live.locator('.opblock-summary-control').click();
	await live.getByRole('button', { name: 'Try it out' }).click();
	await live.getByRole('button', { name: 'Execute' }).click();
	await live.locator('.live-responses-table .response-col_status').filter({ hasText: '200' }).waitFor();
	await live.locator('.curl-command').getByText('/livez').waitFor();
}

export async function in_the_dark_and_on_a_phone(t) {
	const server = await t.leat();
	const dark = await open(t, server, { dark: true });
	expect(await dark.evaluate(() => document.documentElement.classList.contains('dark-mode')), 'it is light in the dark');
	await t.shot(dark, 'docs-dark');
	const phone = await open(t, server, { size: { width: 390, height: 844 }, touch: true, deviceScaleFactor: 2 });
	const wide = await phone.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
	await phone.locator('#operations-tag-Jobs').scrollIntoViewIfNeeded();
	await t.shot(phone, 'docs-phone');
	expect(wide <= 1, `${wide} px wider than the window`);
}
