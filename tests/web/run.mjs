// run.mjs: finds the exported functions of test_*.mjs, runs them one after the other, prints TAP.
//
// A test is `export async function what_is_true(t)`, t a Context. It may carry `.limit`, the
// seconds after which it has failed: generous, for nothing waits for time, only for conditions.

import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { Browser } from './support/browser.mjs';
import { Context } from './support/context.mjs';
import { Leat } from './support/leat.mjs';
import { readmePicture } from './support/readme.mjs';

const here = dirname(fileURLToPath(import.meta.url));

const { values: options } = parseArgs({
	options: {
		program: { type: 'string', default: join(here, '../../build/leat') },
		chromium: { type: 'string', default: '/usr/bin/chromium' },
		shots: { type: 'string', default: join(here, '../../build/screenshots') },
		readme: { type: 'string' }, // a picture for README.md is put there, and nothing else is done
		match: { type: 'string', short: 'k', multiple: true, default: [] },
		patience: { type: 'string', default: '60' },
		headed: { type: 'boolean', default: false },
	},
});

async function tests() {
	const found = [];
	for (const file of readdirSync(here).filter((name) => /^test_.*\.mjs$/.test(name)).sort()) {
		const module = await import(join(here, file));
		for (const [name, run] of Object.entries(module)) {
			const full = `${file.slice(5, -4)}: ${name.replaceAll('_', ' ')}`;
			const wanted = options.match.length === 0 ? run.ordinary !== false
				: options.match.some((text) => full.includes(text.replaceAll('_', ' ')));
			if (wanted)
				found.push({ name: full, run, limit: run.limit ?? 120 });
		}
	}
	return found;
}

// The test's outcome or, past its limit, an error that names it.
function within(seconds, promise) {
	let timer;
	const late = new Promise((_, fail) => {
		timer = setTimeout(() => fail(new Error(`not done within ${seconds} s`)), seconds * 1000);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function indented(text) {
	return text.split('\n').map((line) => `    | ${line}`).join('\n');
}

let passed = 0;
let failed = 0;

function report(ok, name, began, notes, error) {
	const seconds = ((Date.now() - began) / 1000).toFixed(1);
	if (ok)
		passed++;
	else
		failed++;
	console.log(`${ok ? 'ok' : 'not ok'} ${passed + failed} - ${name} (${seconds} s)`);
	for (const note of notes)
		console.log(`# ${note}`);
	if (error)
		console.log(indented(error.stack ?? String(error)));
}

async function runOne(browser, { name, run, limit }) {
	const began = Date.now();
	const t = new Context(name, options, browser);
	let error = null;
	try {
		await within(limit, run(t));
		await within(30, t.check());
	} catch (caught) {
		error = caught;
		await within(30, t.tell()).catch(() => {});
	}
	await within(30, t.close()).catch((caught) => { error ??= caught; });
	report(error === null, name, began, t.notes, error);
}

// A program that was built where npm had no packages serves a note instead of the page.
async function hasDashboard() {
	const began = Date.now();
	const server = new Leat(options.program);
	try {
		await server.start();
		const page = await server.get('/');
		if (/src="\/assets\//.test(page))
			return true;
		report(false, 'the dashboard is in the program', began, [],
			new Error(`${options.program} was built without it; what / says:\n${page}`));
	} catch (error) {
		report(false, 'the program starts', began, [], error);
	} finally {
		await server.remove();
	}
	return false;
}

async function main() {
	const began = Date.now();
	let browser;
	if (!await hasDashboard())
		return;
	try {
		browser = await Browser.launch(options);
	} catch (error) {
		report(false, `chromium starts (${options.chromium})`, began, [], error);
		return;
	}
	const picture = { name: 'the picture for README.md', run: readmePicture, limit: 300 };
	for (const test of options.readme ? [picture] : await tests())
		await runOne(browser, test);
	await within(30, browser.close()).catch(() => {});
}

// What a test left behind when it failed is told and changes nothing.
process.on('unhandledRejection', (error) => console.log(indented(`later: ${error}`)));

await main();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
