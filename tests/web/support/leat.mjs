// A `leat serve` in a folder of its own, and requests to it.
//
// The kernel ends the server when the tests die (setpriv --pdeathsig), whatever they die of.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { until } from './wait.mjs';

export class Leat {
	constructor(program, settings = {}) {
		this.program = resolve(program);
		this.folder = mkdtempSync(join(tmpdir(), 'leat-web-'));
		this.settings = { listen: '127.0.0.1:0', data: join(this.folder, 'data'), compute: 2,
			...settings };
		// `tokens`: the scopes of one, which our own requests show.
		if (settings.tokens) {
			this.settings.tokens = join(this.folder, 'tokens');
			this.token = execFileSync(this.program, ['token', 'new', '--tokens', this.settings.tokens,
				'--name', 'me', '--scope', settings.tokens], { encoding: 'utf8' }).trim();
		}
		this.log = [];
		this.child = null;
		this.port = 0;
	}

	async start() {
		const words = Object.entries(this.settings).flatMap(([name, value]) =>
			[`--${name}`, String(value)]);
		const env = Object.fromEntries(Object.entries(process.env)
			.filter(([name]) => !name.startsWith('LEAT_')));
		this.child = spawn('setpriv', ['--pdeathsig', 'KILL', this.program, 'serve', ...words],
			{ cwd: this.folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
		this.ended = new Promise((done) => {
			this.child.once('exit', (code, signal) => done(signal ?? code));
			this.child.once('error', (error) => done(String(error)));
		});
		let rest = '';
		let open = true;
		let listening = null;
		this.child.stderr.on('close', () => { open = false; });
		this.child.stderr.setEncoding('utf8').on('data', (text) => {
			const lines = (rest + text).split('\n');
			rest = lines.pop();
			this.log.push(...lines);
			this.log.splice(0, this.log.length - 2000);
			listening ??= text.match(/event=listening\b.*\bport=(\d+)/) ??
				lines.join('\n').match(/event=listening\b.*\bport=(\d+)/);
		});
		await until('leat listens', () => listening || !open, 60);
		if (!listening)
			throw new Error(`leat did not start (${await this.ended}):\n${this.tail()}`);
		this.port = Number(listening[1]);
		return this;
	}

	get url() {
		return `http://127.0.0.1:${this.port}`;
	}

	tail(lines = 20) {
		return this.log.slice(-lines).join('\n');
	}

	async kill() {
		this.child.kill('SIGKILL');
		await this.ended;
	}

	// On the data it had, behind the address that the page knows.
	restart() {
		this.settings.listen = `127.0.0.1:${this.port}`;
		return this.start();
	}

	// SIGTERM; answers what it ended with.
	async stop() {
		this.child.kill('SIGTERM');
		return this.ended;
	}

	async remove() {
		if (this.child && this.child.exitCode === null && this.child.signalCode === null)
			await this.kill();
		rmSync(this.folder, { recursive: true, force: true });
	}

	// -- requests ------------------------------------------------------------------

	async request(method, path, body, headers = {}) {
		const json = body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array);
		if (this.token)
			headers = { authorization: `Bearer ${this.token}`, ...headers };
		const reply = await fetch(this.url + path, {
			method,
			body: json ? JSON.stringify(body) : body,
			headers: json ? { 'content-type': 'application/json', ...headers } : headers,
		});
		const text = await reply.text();
		if (!reply.ok)
			throw new Error(`${method} ${path}: ${reply.status} ${text}`);
		return /\bjson$/.test(reply.headers.get('content-type') ?? '') ? JSON.parse(text) : text;
	}

	get(path) {
		return this.request('GET', path);
	}

	job(id) {
		return this.get(`/v1/jobs/${id}`);
	}

	create(definition) {
		return this.request('POST', '/v1/jobs', definition);
	}

	// Values as NDJSON, or the bytes themselves.
	send(id, items, query = '?close=true') {
		const body = typeof items === 'string' ? items
			: items.map((item) => JSON.stringify(item)).join('\n') + '\n';
		return this.request('POST', `/v1/jobs/${id}/items${query}`, body,
			{ 'content-type': 'application/x-ndjson' });
	}

	untilJob(id, what, condition) {
		return until(`job ${id} ${what}`, async () => {
			const job = await this.job(id);
			return condition(job) && job;
		});
	}

	async results(id, query = '') {
		const text = await this.get(`/v1/jobs/${id}/results${query}`);
		return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
	}
}
