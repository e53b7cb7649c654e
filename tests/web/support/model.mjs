// The composer's TypeScript, as a module that Node can run: bundled by the esbuild of web/.

import { createRequire } from 'node:module';
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
	return import(`data:text/javascript;base64,${Buffer.from(file.contents).toString('base64')}`);
}
