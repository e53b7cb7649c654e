// The composer without a browser: values and pointers, forms from schemas, drafts, commands.

import assert from 'node:assert/strict';
import { File } from 'node:buffer';
import { gzipSync } from 'node:zlib';

import { model } from './support/model.mjs';

const eq = assert.deepEqual;

export async function values_are_changed_without_being_touched() {
	const { json } = await model();
	const before = { stages: [{ use: 'a', queue: { items: 2 } }], order: 'input' };
	const text = JSON.stringify(before);
	eq(json.put(before, ['stages', 0, 'queue', 'items'], 3).stages[0].queue, { items: 3 });
	eq(json.put(before, ['stages', 0, 'retry', 'attempts'], 1).stages[0],
		{ use: 'a', queue: { items: 2 }, retry: { attempts: 1 } });
	eq(json.put(before, ['stages', 0, 'queue', 'items'], undefined).stages[0], { use: 'a' },
		'an object that is left empty goes too');
	eq(json.put({ stages: [{ use: 'a' }] }, ['stages', 0, 'use'], undefined), { stages: [{}] },
		'a stage stays though it is empty');
	eq(JSON.stringify(json.put(before, ['order'], 'none')).indexOf('"order"') > 0, true);
	eq(JSON.stringify(before), text);
	eq(json.pointer(['labels', 'a/b~c', 0]), '/labels/a~1b~0c/0');
	const odd = json.put({}, ['__proto__x', 'constructor'], 'y');
	eq(JSON.stringify(odd), '{"__proto__x":{"constructor":"y"}}');
	eq(json.at({}, ['constructor']), undefined, 'only own members');
	eq(json.same({ a: [1, { b: null }] }, { a: [1, { b: null }] }), true);
	const unseen = { a: '\u202eb\u200b\u{e0041}\n' };
	assert.match(json.written(unseen), /"\\u202eb\\u200b\\udb40\\udc41\\n"/);
	eq(JSON.parse(json.written(unseen)), unseen, 'the same value in plain sight');
	eq(json.same({ a: 1 }, { a: 1, b: undefined }), false);
}

export async function units_are_read_and_written() {
	const { units } = await model();
	for (const [text, unit, value] of [['16 MiB', 'bytes', 16777216], ['16m', 'bytes', 16777216],
		['1.5KB', 'bytes', 1536], ['10', 'bytes', 10], ['2 s', 'ms', 2000], ['1.5 s', 'ms', 1500],
		['7d', 'ms', 604800000], ['3 min', 'ms', 180000], ['5 m', 'ms', undefined],
		['-1 s', 'ms', undefined], ['', 'ms', undefined], ['1 parsec', 'ms', undefined]])
		eq(units.parseUnit(text, unit), value, `${text} as ${unit}`);
	for (const [value, unit, text] of [[16777216, 'bytes', '16 MiB'], [1500, 'ms', '1500 ms'],
		[604800000, 'ms', '7 d'], [0, 'bytes', '0 B'], [1, 'bytes', '1 B']])
		eq(units.showUnit(value, unit), text);
}

const schema = {
	type: 'object',
	properties: {
		field: { type: 'string', description: 'where', examples: ['name', '/nested/name'] },
		every: { type: 'integer', default: 1, minimum: 1, maximum: 1000000 },
		kind: { type: 'string', enum: ['permanent', 'transient'], default: 'permanent' },
		on: { type: 'boolean', default: true },
		value: { description: 'anything' },
		fields: { oneOf: [{ type: 'array', items: { type: 'string' } },
			{ type: 'object', additionalProperties: { type: 'string' } }] },
		deep: { type: 'array', items: { type: 'object' } },
	},
	required: ['field'],
};

export async function every_kind_of_schema_becomes_a_field() {
	const { schema: forms } = await model();
	const fields = forms.fieldsOf(schema);
	eq(fields.map((each) => `${each.label}:${each.kind}`), ['field:text', 'every:number',
		'kind:choice', 'on:flag', 'value:json', 'fields:either', 'deep:json']);
	const [field, every, kind, , , either] = fields;
	eq([field.required, every.required], [true, false]);
	eq([every.default, every.range, forms.typeName(every)], [1, '1 to 1,000,000', 'integer']);
	eq(kind.choices, ['permanent', 'transient']);
	eq(either.variants.map((each) => each.kind), ['list', 'map']);
	eq(forms.fieldsOf({}), [], 'a schema without properties is no mistake');
	eq(forms.fieldsOf(undefined), []);
	eq(forms.fieldsOf({ properties: { x: true } })[0].kind, 'json', 'true is a schema');
}

export async function text_becomes_values_and_text_again() {
	const { schema: forms } = await model();
	const by = Object.fromEntries(forms.fieldsOf(schema).map((each) => [each.label, each]));
	const cases = [
		['field', 'a b', 'a b'], ['field', '', undefined],
		['every', '12', 12], ['every', ' 7 ', 7], ['every', 'x', 'x'], ['every', '0x10', '0x10'],
		['every', '1e3', 1000], ['every', '', undefined],
		['kind', 'transient', 'transient'], ['kind', '', undefined],
		['value', '5', 5], ['value', '"5"', '5'], ['value', '^a+$', '^a+$'],
		['value', '{"a":[1]}', { a: [1] }], ['value', 'null', null], ['value', '', undefined],
	];
	for (const [name, text, value] of cases)
		eq(forms.valueOf(by[name], text), value, `${name}: ${text}`);
	for (const value of ['5', 'true', 'plain', 5, null, { a: 1 }, [1], 'null', '"quoted"'])
		eq(forms.valueOf(by.value, forms.textOf(by.value, value)), value, JSON.stringify(value));
	const [list] = by.fields.variants;
	eq(forms.valueOf(list, 'a\n\n b \n'), ['a', 'b']);
	eq(forms.textOf(list, ['a', 'b']), 'a\nb');
	eq(forms.variantOf(by.fields, { a: '/b' }), 1);
	eq(forms.variantOf(by.fields, undefined), 0);
}

const kinds = [
	{ name: 'range', kind: 'source', params: { properties: { from: { type: 'integer', default: 0 } } } },
	{ name: 'pass', kind: 'map', params: {} },
	{ name: 'fail', kind: 'map', params: schema },
	{ name: 'sum', kind: 'sink', params: {} },
];

export async function stages_find_their_place() {
	const { draft } = await model();
	const catalogue = draft.catalogueOf(kinds);
	let now = draft.emptyDraft();
	for (const use of ['pass', 'sum', 'fail', 'range'])
		now = draft.inserted(now, draft.placeFor(now, catalogue, use), { use });
	const uses = () => now.definition.stages.map((each) => each.use);
	eq(uses(), ['range', 'pass', 'fail', 'sum']);
	const keys = now.keys;
	now = draft.moved(now, 1, 2);
	eq(uses(), ['range', 'fail', 'pass', 'sum']);
	eq(now.keys, [keys[0], keys[2], keys[1], keys[3]], 'a card keeps its key');
	eq(draft.moved(now, 0, -1), now, 'there is nothing above the first');
	now = draft.removed(draft.doubled(now, 1), 0);
	eq(uses(), ['fail', 'fail', 'pass', 'sum']);
	eq(draft.stageNames(now.definition), ['fail', 'fail-2', 'pass', 'sum']);
	eq(new Set(now.keys).size, now.keys.length);
}

export async function a_definition_of_the_server_becomes_short_again() {
	const { draft } = await model();
	const filled = {
		name: '', labels: {}, order: 'none', backlog: { bytes: 268435456 }, retention_ms: 604800000,
		limits: { max_failures: 5, max_failure_ratio: null, deadline_ms: null },
		stages: [{
			use: 'fail', name: 'fail', params: { field: 'a', every: 1, kind: 'transient' },
			workers: 1, scaled: false, queue: { items: 1024, bytes: 1 }, timeout_ms: null,
			retry: { attempts: 3, backoff_ms: 200, max_backoff_ms: 30000 },
			on_error: 'dead_letter', rate: null,
		}, { use: 'fail', name: 'other', params: {}, workers: 1, scaled: true }],
	};
	eq(draft.simplified(filled, draft.catalogueOf(kinds)), {
		limits: { max_failures: 5 }, retention_ms: 604800000,
		stages: [
			{ use: 'fail', params: { field: 'a', kind: 'transient' }, queue: { bytes: 1 } },
			{ use: 'fail', name: 'other', workers: 1 },
		],
	});
}

export async function what_is_typed_as_json_never_breaks_the_form() {
	const { draft } = await model();
	const catalogue = draft.catalogueOf(kinds);
	for (const stages of [null, 3, 'x', {}, [null], ['pass'], [{ use: 7 }], [{ params: 3 }], [[]]]) {
		const odd = draft.replaced(draft.emptyDraft(), { stages });
		draft.placeFor(odd, catalogue, 'sum');
		draft.stageNames(odd.definition);
		draft.simplified(odd.definition, catalogue);
		draft.changed(odd, ['stages', 0, 'params', 'a'], 1);
	}
}

export async function input_is_recognised() {
	const { input } = await model();
	const look = (text, whole = true) => {
		const { contentType, sample, doubt } = input.look(text, whole);
		return [contentType.split('/')[1], sample, doubt !== null];
	};
	eq(look('{"a":1}\n{"a":2}\n'), ['x-ndjson', ['{"a":1}', '{"a":2}'], false]);
	eq(look('[1,2]\n[3]\n'), ['x-ndjson', ['[1,2]', '[3]'], false], 'arrays as items');
	eq(look('[1,{"a":"]"},[2]]'), ['json', ['1', '{"a":"]"}', '[2]'], false]);
	eq(look('[\n {"a":"x\\"]"},\n {"b', false), ['json', ['{"a":"x\\"]"}'], false], 'cut off');
	eq(look('{\n "a": 1\n}\n'), ['json', [], false], 'one item over several lines');
	eq(look('{"a":1}\n{"a":', false), ['x-ndjson', ['{"a":1}'], false], 'a line that is cut off');
	eq(look('id,name\n1,x\n'), ['x-ndjson', [], true], 'CSV is no JSON');
	eq(look('{"a":1}\noops\n')[2], true);
	eq(look('[1,'), ['json', [], true]);
	eq(look(''), ['x-ndjson', [], true]);
	eq(input.fieldNames(['{"a":1,"b":{"c":{"d":{"e":1}}},"x/y":2}']),
		['a', 'b', '/b/c', '/b/c/d', '/x~1y']);
	const packed = await input.pick(new File([gzipSync('{"a":1}\n')], 'a.ndjson.gz'));
	eq([packed.contentEncoding, packed.contentType, packed.sample], ['gzip', 'application/x-ndjson', ['{"a":1}']]);
	const broken = await input.pick(new File([gzipSync('{"a":1}\n').subarray(0, 12)], 'b.gz'));
	eq(broken.doubt !== null, true, 'a damaged file is doubted');
}

export async function commands_are_safe_in_a_shell() {
	const { shell } = await model();
	const text = shell.script({
		origin: 'http://127.0.0.1:1', definition: { stages: [{ use: "it's $HOME `x`" }] },
		source: false, sink: false, skipInvalid: true, token: true,
		input: [{ name: "a b'.ndjson", contentType: 'application/x-ndjson', contentEncoding: 'gzip' },
			{ name: '-x[1].json', contentType: 'application/json', contentEncoding: null }],
	});
	eq(text.includes(`it'\\''s $HOME \`x\``), true, text);
	eq(text.includes(`-T 'a b'\\''.ndjson'`), true, text);
	eq(text.includes(`-g -T './-x[1].json'`), true, text);
	eq(text.split('close=true').length, 2, 'only the last one closes');
	eq(text.split('"Authorization: Bearer $LEAT_TOKEN"').length, 5);
}
