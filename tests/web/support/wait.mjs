// Waiting for conditions, never for time.

// The first true answer of `look`, asked again and again; an error that says what was awaited.
export async function until(what, look, seconds = 60) {
	const end = Date.now() + seconds * 1000;
	let last;
	for (;;) {
		last = await look();
		if (last)
			return last;
		if (Date.now() > end)
			throw new Error(`${what}: not within ${seconds} s`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}
