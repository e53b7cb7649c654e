// Accessibility: axe-core, run inside the page.

import { readFileSync } from 'node:fs';

let source = null;

function told({ id, help, nodes }) {
	return `${id}: ${help}\n${nodes.slice(0, 4).map((node) => `    ${node.html.slice(0, 200)}\n      ${node.failureSummary?.replace(/\s+/g, ' ')}`).join('\n')}`;
}

// What axe finds wrong on the page as it is. evaluate() and no script element: the page's policy
// would not let that in.
export async function axe(t, page) {
	source ??= readFileSync(t.browser.axe, 'utf8');
	await page.evaluate(source);
	const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
	return violations.map(told);
}
