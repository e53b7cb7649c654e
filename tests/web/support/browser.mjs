// Debian's Chromium, driven by playwright-core; and pages that notice what must not happen.

import { createRequire } from 'node:module';

import { chromium as launcher } from 'playwright-core';

// Runs in a CI container too: as root, with two cores and a small /dev/shm.
const flags = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--mute-audio',
	'--disable-background-networking', '--disable-component-update', '--no-first-run',
	'--disable-extensions', '--force-color-profile=srgb', '--font-render-hinting=none'];

export class Browser {
	static async launch({ chromium, headed, patience }) {
		const browser = new Browser();
		browser.patience = Number(patience) * 1000;
		browser.axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
		browser.chromium = await launcher.launch({
			executablePath: chromium, headless: !headed, chromiumSandbox: false, args: flags,
			timeout: 120_000,
		});
		return browser;
	}

	// A page with nothing remembered. What it must not do is noted in page.wrong.
	async page({ dark = false, size = { width: 1280, height: 860 }, touch = false,
		quiet = null, ...more } = {}) {
		const context = await this.chromium.newContext({
			colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce', viewport: size,
			hasTouch: touch, acceptDownloads: true, locale: 'en-GB', timezoneId: 'UTC', ...more,
		});
		await context.grantPermissions(['clipboard-read', 'clipboard-write']);
		context.setDefaultTimeout(this.patience);
		const page = await context.newPage();
		page.wrong = [];
		page.quiet = quiet;
		// What the composer asks is refused while it is half done.
		const expected = /status of 422 .*\/v1\/jobs:validate/;
		const note = (kind, text) => {
			if (!expected.test(text) && !page.quiet?.test(text))
				page.wrong.push(`${kind}: ${text}`);
		};
		page.on('console', (message) => {
			if (message.type() === 'error' || message.type() === 'warning')
				note(`console ${message.type()}`, `${message.text()} ${message.location().url}`);
		});
		page.on('pageerror', (error) => note('uncaught', error.stack ?? String(error)));
		page.on('dialog', (dialog) => {
			note('dialog', dialog.message());
			dialog.dismiss().catch(() => {});
		});
		page.on('crash', () => note('crash', 'the page has crashed'));
		await page.addInitScript(() => {
			document.addEventListener('securitypolicyviolation', (event) => {
				console.error(`policy: ${event.violatedDirective} blocked ${event.blockedURI}`);
			});
		});
		return page;
	}

	close() {
		return this.chromium.close();
	}
}
