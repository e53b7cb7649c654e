/*
 * A service as one has to live with: GET /suppliers/S042 says what is known of a supplier. Nobody
 * knows S900 and above (404), the record of S013 is broken (500 at any time), and now and then
 * it is busy: then the same request gets a 503 the first time. Says its port in its first line,
 * and ends with its standard input.
 */
import { createServer } from 'node:http';

const COUNTRIES = ['AT', 'CZ', 'FR', 'PL', 'SE'];
const busy = new Set();

function supplier(number) {
	return {
		name: `Supplier ${number}`,
		country: COUNTRIES[number % COUNTRIES.length],
		cost_percent: 30 + (number * 7) % 72,
		lead_days: 1 + number % 9,
	};
}

function answer(url) {
	const number = Number(/^\/suppliers\/S(\d{3})$/.exec(url.pathname)?.[1] ?? 999);
	const request = url.searchParams.get('for') ?? '';
	if (number >= 900)
		return [404, { error: 'no such supplier' }];
	if (number === 13)
		return [500, { error: 'record is broken' }];
	if (request.endsWith('77') && !busy.has(request)) {
		busy.add(request);
		return [503, { error: 'busy' }];
	}
	return [200, supplier(number)];
}

const server = createServer((request, reply) => {
	const [status, value] = answer(new URL(request.url, 'http://localhost'));
	const body = JSON.stringify(value);
	reply.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
	reply.end(body);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit(0));
