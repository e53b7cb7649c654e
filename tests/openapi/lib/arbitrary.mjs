// Values of a schema for fast-check: right ones, and right ones with one thing wrong.
import fc from "fast-check";

const LARGEST = 1_000_000; // where a schema has no maximum, the server has one of its own
const LONGEST = 40;

const text = (schema) => fc.string({
	unit: fc.oneof({ arbitrary: fc.constantFrom(..."abcXYZ019 _-./~\"\\'{}[]<>&%?#"), weight: 9 }, { arbitrary: fc.constantFrom(..."äß日本🙂"), weight: 1 }),
	minLength: schema.minLength ?? 0,
	maxLength: Math.min(schema.maxLength ?? LONGEST, LONGEST),
});

function stringOf(schema) {
	if (schema.pattern === undefined)
		return text(schema);
	// stringMatching knows no look-ahead; the few strings that it was there for are left out.
	const simple = schema.pattern.replace(/\(\?!.*?\)(?=\[|$)/, "");
	return fc.stringMatching(new RegExp(simple)).filter((value) => new RegExp(schema.pattern, "u").test(value) && value.length <= 256);
}

function integerOf({ minimum, maximum }) {
	const min = minimum ?? -LARGEST;
	const max = Math.max(min, Math.min(maximum ?? LARGEST, Number.MAX_SAFE_INTEGER));

	return fc.oneof(fc.integer({ min, max: Math.min(max, min + 10) }), fc.maxSafeInteger().map((value) => min + Math.abs(value) % (max - min + 1)), fc.constantFrom(min, max));
}

const numberOf = ({ minimum = -1e6, maximum = 1e6 }) => fc.oneof(fc.double({ min: minimum, max: maximum, noNaN: true }), fc.constantFrom(minimum, maximum));

function objectOf(doc, schema) {
	const required = new Set(schema.required ?? []);
	const fields = Object.entries(schema.properties ?? {});
	const named = fc.record(Object.fromEntries(fields.map(([name, value]) => [name, valueOf(doc, value)])),
		{ requiredKeys: fields.map(([name]) => name).filter((name) => required.has(name)), noNullPrototype: true });

	if (typeof schema.additionalProperties !== "object")
		return named;
	const others = fc.dictionary(text({ minLength: 1, ...schema.propertyNames }), valueOf(doc, schema.additionalProperties), { maxKeys: 4, noNullPrototype: true });
	return fc.tuple(others, named).map(([other, own]) => ({ ...other, ...own }));
}

// A value that the schema allows.
export function valueOf(doc, schema) {
	const { $ref, anyOf, oneOf, enum: words, type } = schema;

	if ($ref)
		return valueOf(doc, doc.at(doc.resolve($ref.slice(2).split("/"))));
	if ("const" in schema)
		return fc.constant(schema.const);
	if (words)
		return fc.constantFrom(...words);
	if (anyOf ?? oneOf)
		return fc.oneof(...(anyOf ?? oneOf).map((one) => valueOf(doc, one)));
	if (Array.isArray(type))
		return fc.oneof(...type.map((one) => valueOf(doc, { ...schema, type: one })));
	switch (type) {
	case "null": return fc.constant(null);
	case "boolean": return fc.boolean();
	case "integer": return integerOf(schema);
	case "number": return numberOf(schema);
	case "string": return stringOf(schema);
	case "array": return fc.array(valueOf(doc, schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: Math.min(schema.maxItems ?? 5, 5) });
	case "object": return objectOf(doc, schema);
	default: return fc.jsonValue({ maxDepth: 2 });
	}
}

// Where something can be changed in a value: paths to all of it.
function places(value, path = []) {
	if (value === null || typeof value !== "object")
		return [path];
	return [path, ...Object.keys(value).flatMap((key) => places(value[key], [...path, key]))];
}

const STRANGE = fc.oneof(
	fc.constantFrom(null, true, "", "x", 0, -1, 1.5, 1e300, -1e300, 2 ** 53, [], {}, [[]], { a: 1 }, "1", "null", "\u0000", "\ud800", "\u202e", "a".repeat(5000)),
	fc.jsonValue({ maxDepth: 2 }));

function changed(value, path, change) {
	if (path.length === 0)
		return change.strange;
	const copy = structuredClone(value);
	const owner = path.slice(0, -1).reduce((at, key) => at[key], copy);
	const key = path.at(-1);

	if (change.how === "replace")
		owner[key] = change.strange;
	else if (change.how === "add" && !Array.isArray(owner))
		owner[change.name] = change.strange;
	else if (Array.isArray(owner))
		owner.splice(Number(key), 1);
	else
		delete owner[key];
	return copy;
}

// One thing of a value replaced, added or taken away.
export const almost = (values) => fc.tuple(values, fc.nat(), fc.record({
	how: fc.constantFrom("replace", "add", "remove"),
	name: fc.oneof(fc.constantFrom("worker", "use", "constructor", "__proto__x", "", " ", "a/b~c"), text({ maxLength: 10 })),
	strange: STRANGE,
})).map(([value, at, change]) => {
	const all = places(value);

	return changed(value, all[at % all.length], change);
});
