// The composer's TypeScript, as a module that Node can run: bundled by the esbuild of web/.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const web = join(dirname(fileURLToPath(import.meta.url)), '../../../web');

export async function model() {
	const { build } = createRequire(join(web, 'package.json'))('esbuild');
	const parts = ['json', 'units', 'schema', 'draft', 'shell', 'input'];
	const { outputFiles: [file] } = await build({
		stdin: {
			contents: parts.map((name) => `export * as ${name} from "./src/compose/${name}";`).join('\n'),
			resolveDir: web,
		},
		bundle: true, write: false, format: 'esm', platform: 'node', target: 'es2022',
	});
	const folder = mkdtempSync(join(tmpdir(), 'leat-web-model-'));
	try {
		const path = join(folder, 'model.mjs');
		writeFileSync(path, file.contents);
		return await import(path);
	} finally {
		rmSync(folder, { recursive: true });
	}
}
