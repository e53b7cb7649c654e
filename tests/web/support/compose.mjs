// What a person does on the page "New job".

import { until } from './wait.mjs';

// The input of a value, by its JSON pointer in the definition.
export const at = (page, pointer) => page.locator(`[id="at${pointer}"]`);

export async function addStage(page, name) {
	const cards = page.locator('.stage-card');
	const before = await cards.count();
	const called = page.locator('strong', { hasText: new RegExp(`^${name}$`) });
	await page.locator('.palette-stage', { has: called }).click();
	await until(`the stage ${name} is added`, async () => await cards.count() === before + 1);
}

// Everything of a card that is folded.
export async function unfold(page, index) {
	const details = page.locator('.stage-card').nth(index).locator('details');
	await details.evaluate((element) => { element.open = true; });
}

export async function definition(page) {
	return JSON.parse(await page.locator('#definition').inputValue());
}

// Files as if they were dragged from the desktop.
export async function drop(page, files) {
	const transfer = await page.evaluateHandle((list) => {
		const data = new DataTransfer();
		for (const { name, base64 } of list) {
			const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
			data.items.add(new File([bytes], name));
		}
		return data;
	}, files.map(({ name, bytes }) => ({ name, base64: Buffer.from(bytes).toString('base64') })));
	const panel = page.locator('.input-panel');
	await panel.dispatchEvent('dragover', { dataTransfer: transfer });
	await panel.dispatchEvent('drop', { dataTransfer: transfer });
	await page.locator('.chosen').nth(files.length - 1).waitFor();
}

export async function ready(page) {
	await page.locator('.verdict-text.good').waitFor();
}

// Creates the job; answers its id when its page stands there.
export async function create(page) {
	await ready(page);
	await page.locator('.verdict .button.primary').click();
	await page.waitForURL(/#\/jobs\/j_/);
	return page.url().match(/#\/jobs\/(j_\w+)/)[1];
}
