// What one test has: servers and pages, which end with it.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { Leat } from './leat.mjs';

export class Context {
	constructor(name, options, browser) {
		this.name = name;
		this.options = options;
		this.browser = browser;
		this.notes = [];
		this.servers = [];
		this.pages = [];
	}

	note(text) {
		this.notes.push(text);
	}

	async leat(settings) {
		const server = new Leat(this.options.program, settings);
		this.servers.push(server);
		return server.start();
	}

	// A page of that server, at '#/…'; answers when the dashboard stands there.
	async page(server, hash = '#/', options = {}) {
		const page = await this.browser.page(options);
		this.pages.push(page);
		await page.goto(`${server.url}/${hash}`);
		await page.locator('main h1').first().waitFor();
		return page;
	}

	// build/screenshots/NAME.png
	async shot(page, name, options = {}) {
		mkdirSync(this.options.shots, { recursive: true });
		await page.screenshot({ path: join(this.options.shots, `${name}.png`), ...options });
	}

	// No page has said or done anything wrong, every server lives.
	async check() {
		const wrong = this.pages.flatMap((page) => page.wrong);
		if (wrong.length > 0)
			throw new Error(`on the page:\n${wrong.join('\n')}`);
		for (const server of this.servers) {
			if (server.child.exitCode !== null && !server.stopped)
				throw new Error(`leat ended by itself (${server.child.exitCode}):\n${server.tail()}`);
		}
	}

	// After a failure: what the pages show, and what the servers said.
	async tell() {
		for (const [index, page] of this.pages.entries()) {
			if (page.isClosed())
				continue;
			const name = `failed-${this.name.replace(/\W+/g, '-')}-${index}`;
			this.note(`${page.url()}: see ${name}.png`);
			for (const line of page.wrong.slice(0, 20))
				this.note(`on the page: ${line}`);
			await this.shot(page, name, { timeout: 10_000 }).catch(() => {});
		}
		for (const server of this.servers)
			this.note(`the server's log:\n#   ${server.tail(8).replaceAll('\n', '\n#   ')}`);
	}

	async close() {
		for (const page of this.pages)
			await page.context().close().catch(() => {});
		for (const server of this.servers)
			await server.remove();
	}
}
