/**
 * leat-stage: a JavaScript function becomes a stage of leat.
 *
 *     import { stage } from './leat-stage.mjs';
 *
 *     stage((item) => ({ ...item, total: item.price * item.qty }));
 *
 * That is a whole program. The function is given one item; what it returns is emitted, undefined
 * and null filter the item out, a generator or many([...]) emits many, a promise is waited for
 * while others run, an exception is a failure (Transient one that is worth another attempt).
 * See README.md beside this file.
 *
 * One file, no dependencies, Node 18 or newer: copy it next to your program. Without leat around it
 * the program reads items from standard input and writes results to standard output, a JSON text
 * a line, so it can be tried by hand.
 */

import process from 'node:process';

/**
 * What a function is given behind the value.
 * @typedef {object} Item
 * @property {string|undefined} id the same at every attempt, also after a crash: a key for what you do outside
 * @property {number} attempt 1, 2, …
 * @property {AbortSignal} signal aborts when nobody wants the item any more
 *
 * @typedef {object} Options
 * @property {boolean|number} [batch] the function takes an array of values and answers with as many
 *     results; a number is how many it is given at most
 * @property {number} [concurrency] how many promises may be open at once; 0, the default: as many as items come
 * @property {boolean} [bigints] whole numbers that a double cannot hold come as BigInt
 */

export const version = '1.0.0';

const FLUSH_MS = 2; // an answer waits no longer than this, and the item after it
const FLUSH_ANSWERS = 1000;
const BATCH = 1000; // items that a batch function is given at most, where it does not say

/** Throw it when the item is wrong and another attempt would not help. */
export class Permanent extends Error {
	name = 'Permanent';
}

/** Throw it when another attempt may succeed: the job's `retry` says how often and when. */
export class Transient extends Error {
	name = 'Transient';
}

class Many {
	constructor(values) {
		this.values = values;
	}
}

/**
 * `return many([a, b])` emits a and b. A plain array is one value.
 * @param {Iterable<unknown>} values
 */
export function many(values) {
	return new Many(Array.from(values));
}

/**
 * The job's parameters for this stage, checked and with their defaults.
 * @returns {Record<string, any>}
 */
export function params() {
	return JSON.parse(process.env.LEAT_PARAMS || '{}');
}

/** The name that this program is registered under. */
export function name() {
	return process.env.LEAT_STAGE ?? '';
}

// -- JSON -------------------------------------------------------------------------------------

const MARK = `\u0001leat:${process.pid}:${Date.now().toString(36)}:`;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON.parse() with BigInt where a double is too short. */
function parseExact(text) {
	const marked = text.replace(TOKEN, (token) =>
		/^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token))
			? JSON.stringify(MARK + token) : token);
	if (marked === text)
		return JSON.parse(text);
	return JSON.parse(marked, (_, value) =>
		typeof value === 'string' && value.startsWith(MARK)
			? BigInt(value.slice(MARK.length)) : value);
}

/** What JSON.stringify() lets pass as null or as an escape that is no character. */
function checked(_, value) {
	if (typeof value === 'number' && !Number.isFinite(value))
		throw new Permanent('the result is not JSON: NaN and infinity have no place in it');
	if (typeof value === 'bigint')
		return MARK + value;
	if (typeof value === 'string')
		wellFormed(value);
	else if (value !== null && typeof value === 'object')
		Object.keys(value).forEach(wellFormed);
	return value;
}

function wellFormed(text) {
	if (/\p{Surrogate}/u.test(text))
		throw new Permanent('the result is not JSON: it holds half of a surrogate pair');
}

const MARKED = new RegExp(`"${JSON.stringify(MARK).slice(1, -1).replace(/\\/g, '\\\\')}(-?\\d+)"`, 'g');

function stringify(value) {
	let text;
	try {
		text = JSON.stringify(value);
		// Only then can there be something that has to be looked at.
		if (text !== undefined && (text.includes('null') || /\\ud[89a-f]/.test(text)))
			JSON.stringify(value, checked);
	} catch (error) {
		if (error instanceof Permanent)
			throw error;
		text = stringifyExact(value, error);
	}
	if (text === undefined)
		throw new Permanent(`the result is not JSON: ${typeof value}`);
	return text;
}

/** Where JSON.stringify() gave up: perhaps over a BigInt, which is a number like others in JSON. */
function stringifyExact(value, first) {
	try {
		return JSON.stringify(value, checked).replace(MARKED, '$1');
	} catch (error) {
		if (error instanceof Permanent)
			throw error;
		throw new Permanent(`the result is not JSON: ${first.message.split('\n')[0]}`);
	}
}

const isGenerator = (value) =>
	value !== null && typeof value === 'object' && typeof value.next === 'function' &&
	(typeof value[Symbol.iterator] === 'function' || typeof value[Symbol.asyncIterator] === 'function');

const isPromise = (value) =>
	value !== null && typeof value === 'object' && typeof value.then === 'function';

/** The results of one item as they stand between the brackets of `emit`. */
function emitted(result) {
	if (result === undefined || result === null)
		return '';
	if (result instanceof Many)
		return result.values.map((value) => stringify(value)).join(',');
	if (isGenerator(result))
		return Array.from(result, (value) => stringify(value)).join(',');
	return stringify(result);
}

/** What an exception says to the server, and whether another attempt is worth it. */
function failure(error) {
	if (error instanceof Permanent || error instanceof Transient)
		return [error.message || error.name, error instanceof Transient];
	process.stderr.write(`${error?.stack ?? error}\n`);
	return [error instanceof Error ? `${error.name}: ${error.message}` : String(error), false];
}

const printable = (text) => String(text).replace(/\p{Surrogate}/gu, '\ufffd');

// -- the two ends of the pipe -----------------------------------------------------------------

/** Answers on their way out. */
class Output {
	constructor(write) {
		this.write = write;
		this.waiting = [];
		this.since = 0;
		this.scheduled = false;
	}

	/** `line` goes out when what has come is worked off, or now where the last flush was a while ago. */
	put(line) {
		this.waiting.push(line);
		if (this.waiting.length >= FLUSH_ANSWERS || performance.now() - this.since >= FLUSH_MS) {
			this.flush();
			this.since = performance.now();
		} else if (!this.scheduled) {
			this.scheduled = true;
			setImmediate(() => {
				this.scheduled = false;
				this.flush();
			});
		}
	}

	/** A bunch of items has come: from now on their answers are gathered. */
	begin() {
		this.since = performance.now();
	}

	flush() {
		if (this.waiting.length === 0)
			return;
		const text = this.waiting.join('');
		this.waiting = [];
		this.write(text);
	}
}

let output = null;
let framed = false;
/** Of items whose function runs: by id. */
const live = new Map();

/** A line for the server's log. */
export function log(text) {
	if (framed && output !== null) {
		output.put(`{"log":${JSON.stringify(printable(text))}}\n`);
		output.flush();
	} else {
		process.stderr.write(`${text}\n`);
	}
}

/** Ends the program once all answers are out, or where it must end soon and nobody takes them. */
let leave = (code) => process.exit(code);

/**
 * Whatever else writes to standard output (console.log(), a library) writes to standard error from
 * here on; answered is the function that writes answers.
 */
function takeOver() {
	const out = process.stdout;
	const write = out.write.bind(out);
	out.write = process.stderr.write.bind(process.stderr);
	out.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1));
	out.on('drain', () => process.stdin.resume());
	leave = (code) => {
		write('', () => process.exit(code));
		if (code !== 0)
			setTimeout(() => process.exit(code), 500);
	};
	return (text) => {
		if (!write(text))
			process.stdin.pause(); // nobody reads answers: no more items until somebody does
	};
}

/** Calls `lines` with those that one read brought. */
function readLines(lines, end) {
	let begun = []; // of a line whose end has not come
	const input = process.stdin;
	input.on('data', (chunk) => {
		const last = chunk.lastIndexOf(10);
		if (last < 0) {
			begun.push(chunk);
			return;
		}
		begun.push(chunk.subarray(0, last));
		const text = (begun.length === 1 ? begun[0] : Buffer.concat(begun)).toString('utf8');
		begun = last + 1 < chunk.length ? [chunk.subarray(last + 1)] : [];
		lines(text.split('\n'));
	});
	input.on('end', () => {
		const text = Buffer.concat(begun).toString('utf8');
		if (text !== '')
			lines([text]);
		end();
	});
	input.on('error', () => end());
}

/** Breaks off what is being done while the last answers go out. */
class Ended extends Error {}

function fatal(message) {
	process.stderr.write(`leat-stage: ${message}\n`);
	output.flush();
	process.stdin.pause();
	leave(1);
	throw new Ended();
}

// -- the protocols ----------------------------------------------------------------------------

/** {"item":id,"attempt":n,"value":v} in; {"item":id,"emit":[v…]} or an error out. */
class Framed {
	constructor(parse) {
		this.parse = parse;
	}

	/** Of a bunch of lines the groups of items that came together, and what is cancelled. */
	frames(lines) {
		const groups = [];
		const cancelled = [];
		for (const line of lines) {
			if (line.trim() === '')
				continue;
			const frame = this.frame(line);
			if (frame === null)
				continue;
			if (frame.item !== undefined)
				groups.push([frame]);
			else if (Array.isArray(frame.batch))
				groups.push(frame.batch);
			else if (frame.cancel !== undefined)
				cancelled.push(frame.cancel);
		}
		return [groups, cancelled];
	}

	frame(line) {
		let frame;
		try {
			frame = this.parse(line);
		} catch (error) {
			const found = /^\s*\{\s*"item"\s*:\s*("(?:[^"\\]|\\.)*"|[0-9]+)/.exec(line);
			if (found === null)
				this.refuse(line);
			this.fail(JSON.parse(found[1]), new Permanent(`the item cannot be read in JavaScript: ${error.message}`));
			return null;
		}
		if (frame === null || typeof frame !== 'object' || Array.isArray(frame))
			this.refuse(line);
		return frame;
	}

	refuse(line) {
		fatal(`this is not a line of the framed protocol: ${line.slice(0, 200)}`);
	}

	done(id, result) {
		let results;
		try {
			results = emitted(result);
		} catch (error) { // also from within a generator
			this.fail(id, error);
			return;
		}
		output.put(`{"item":${JSON.stringify(id)},"emit":[${results}]}\n`);
	}

	fail(id, error) {
		const [text, transient] = failure(error);
		output.put(`{"item":${JSON.stringify(id)},"error":${JSON.stringify(printable(text))},"transient":${transient}}\n`);
	}
}

/** A value a line in, a value a line out, in the same order; an empty line is "filtered". */
class Plain {
	constructor(parse) {
		this.parse = parse;
	}

	frames(lines) {
		const groups = [];
		for (const line of lines) {
			if (line.trim() === '')
				continue;
			try {
				groups.push([{ value: this.parse(line), attempt: 1 }]);
			} catch (error) {
				groups.push([{ value: null, unreadable: new Permanent(`the item cannot be read in JavaScript: ${error.message}`) }]);
			}
		}
		return [groups, []];
	}

	done(id, result) {
		let line;
		try {
			if (result instanceof Many || isGenerator(result))
				throw new Permanent('the plain protocol has one result an item: use "protocol": "framed"');
			line = emitted(result);
		} catch (error) {
			this.fail(id, error);
			return;
		}
		output.put(`${line}\n`);
	}

	/** It has no word for a failure: what was answered goes out and the program ends. */
	fail(_, error) {
		fatal(failure(error)[0]);
	}
}

// -- running a function -----------------------------------------------------------------------

const cancelledError = () => new Transient('cancelled');

class Item {
	#controller = null;

	constructor(frame) {
		this.id = frame.item;
		this.attempt = frame.attempt ?? 1;
		this.value = frame.value;
		this.unreadable = frame.unreadable;
		this.gone = false;
	}

	get signal() {
		if (this.#controller === null) {
			this.#controller = new AbortController();
			if (this.gone)
				this.#controller.abort();
		}
		return this.#controller.signal;
	}

	abort() {
		this.gone = true;
		this.#controller?.abort();
	}
}

async function gathered(generator) {
	const values = [];
	for await (const value of generator)
		values.push(value);
	return new Many(values);
}

/** Runs `work` an item at a time, or many where it answers with promises. */
class Runner {
	constructor(work, protocol, concurrency) {
		this.work = work;
		this.protocol = protocol;
		this.concurrency = concurrency;
		this.waiting = [];
		this.next = 0;
		this.open = 0;
	}

	take(groups) {
		for (const group of groups)
			for (const frame of group) {
				const item = new Item(frame);
				if (item.id !== undefined)
					live.set(item.id, item);
				this.waiting.push(item);
			}
		this.begin();
	}

	begin() {
		while (this.next < this.waiting.length && (this.concurrency === 0 || this.open < this.concurrency))
			this.start(this.waiting[this.next++]);
		if (this.next === this.waiting.length) {
			this.waiting = [];
			this.next = 0;
		}
	}

	start(item) {
		let result;
		try {
			if (item.gone)
				throw cancelledError();
			if (item.unreadable)
				throw item.unreadable;
			result = this.work(item.value, item);
			if (isGenerator(result) && result[Symbol.asyncIterator])
				result = gathered(result);
		} catch (error) {
			this.over(item, error, true);
			return;
		}
		if (!isPromise(result)) {
			this.over(item, result, false);
			return;
		}
		this.open++;
		result.then((value) => this.later(item, value, false), (error) => this.later(item, error, true));
	}

	later(item, result, failed) {
		this.open--;
		this.over(item, result, failed);
		this.begin();
		idle();
	}

	over(item, result, failed) {
		if (live.get(item.id) === item)
			live.delete(item.id);
		if (failed && item.gone && !(result instanceof Permanent))
			result = cancelledError();
		if (failed)
			this.protocol.fail(item.id, result);
		else
			this.protocol.done(item.id, result);
	}

	get busy() {
		return this.open + this.waiting.length - this.next;
	}
}

/** Runs `work` over arrays: groups as the server made them, single items next to each other are one. */
class BatchRunner extends Runner {
	constructor(work, protocol, concurrency, limit) {
		super(work, protocol, concurrency);
		this.limit = limit;
	}

	take(groups) {
		let singles = [];
		for (const group of groups) {
			const items = group.map((frame) => new Item(frame));
			for (const item of items)
				if (item.id !== undefined)
					live.set(item.id, item);
			if (items.length === 1 && singles.length < this.limit) {
				singles.push(items[0]);
				continue;
			}
			this.push(singles);
			singles = items.length === 1 ? items : [];
			if (items.length > 1)
				this.push(items);
		}
		this.push(singles);
		this.begin();
	}

	push(items) {
		for (let start = 0; start < items.length; start += this.limit)
			this.waiting.push(items.slice(start, start + this.limit));
	}

	start(batch) {
		const wanted = [];
		for (const item of batch)
			if (item.gone || item.unreadable)
				this.over(item, item.unreadable ?? cancelledError(), true);
			else
				wanted.push(item);
		if (wanted.length === 0)
			return;
		let results;
		try {
			results = this.work(wanted.map((item) => item.value), wanted);
		} catch (error) {
			this.fates(wanted, error, true);
			return;
		}
		if (!isPromise(results)) {
			this.fates(wanted, results, false);
			return;
		}
		this.open++;
		results.then((value) => this.laterAll(wanted, value, false), (error) => this.laterAll(wanted, error, true));
	}

	laterAll(batch, results, failed) {
		this.open--;
		this.fates(batch, results, failed);
		this.begin();
		idle();
	}

	fates(batch, results, failed) {
		if (!failed && !(Array.isArray(results) && results.length === batch.length)) {
			results = new Permanent(`a batch of ${batch.length} items was answered with ${
				Array.isArray(results) ? `${results.length} results` : 'no array'}`);
			failed = true;
		}
		batch.forEach((item, index) => {
			const result = failed ? results : results[index];
			this.over(item, result, failed || result instanceof Error);
		});
	}
}

let runner = null;
let ended = false;

/** At the end of the input, and when the last promise is settled: end once all is said. */
function idle() {
	if (!ended || runner.busy > 0)
		return;
	output.flush();
	leave(0);
}

/** What has been done is said, what is being done is broken off. */
function terminate() {
	for (const item of live.values())
		item.abort();
	output.flush();
	leave(143);
}

/**
 * Makes this program a worker that gives every item to `work`, until the server closes it.
 * @param {(value: any, item: Item) => unknown} work
 * @param {Options} [options]
 */
export function stage(work, { batch = false, concurrency = 0, bigints = false } = {}) {
	if (typeof work !== 'function')
		throw new TypeError('stage: a function is wanted');
	if (!(typeof batch === 'boolean' || (Number.isInteger(batch) && batch > 0)))
		throw new TypeError('stage: batch is true, false or a number of items');
	if (!(Number.isInteger(concurrency) && concurrency >= 0))
		throw new TypeError('stage: concurrency is 0 or more');
	if (runner !== null)
		throw new Error('stage: a program is one stage');
	const protocolName = process.env.LEAT_PROTOCOL || 'plain';
	if (protocolName !== 'plain' && protocolName !== 'framed')
		throw new Error(`LEAT_PROTOCOL is '${protocolName}'; plain and framed are known`);
	framed = protocolName === 'framed';
	output = new Output(takeOver());
	const parse = bigints ? parseExact : JSON.parse;
	const protocol = framed ? new Framed(parse) : new Plain(parse);
	if (!framed)
		concurrency = 1; // its answers have the order of its items
	runner = batch ? new BatchRunner(work, protocol, concurrency, batch === true ? BATCH : batch)
		: new Runner(work, protocol, concurrency);
	process.on('SIGTERM', terminate);
	process.on('uncaughtException', (error) => {
		if (error instanceof Ended)
			return;
		process.stderr.write(`${error?.stack ?? error}\n`);
		output.flush();
		leave(1);
	});
	readLines((lines) => {
		output.begin();
		const [groups, cancelled] = protocol.frames(lines);
		// What is taken first may be cancelled by a line behind it.
		const gone = new Set(cancelled);
		for (const id of gone)
			live.get(id)?.abort();
		if (gone.size > 0)
			takeWithout(groups, gone, protocol);
		else
			runner.take(groups);
	}, () => {
		ended = true;
		idle();
	});
}

function takeWithout(groups, gone, protocol) {
	const wanted = (frame) => {
		if (!gone.has(frame.item))
			return true;
		protocol.fail(frame.item, cancelledError());
		return false;
	};
	runner.take(groups.map((group) => group.filter(wanted)).filter((group) => group.length > 0));
}
