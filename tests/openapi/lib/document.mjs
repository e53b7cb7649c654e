// The API's description, as the server was built with it, made ready to be asked: which operation
// is this, what may it say, is this value as it should be?
//
// Replies are held to what is written, to the letter: an object of a reply may have no member that
// its schema does not name, though a client must pass over such members.
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const METHODS = ["get", "post", "put", "patch", "delete"];
// What any reply may carry; the rest is written down where it comes.
const COMMON_HEADERS = new Set(["date", "connection", "content-type", "content-length", "transfer-encoding", "trailer",
	"vary", "x-content-type-options", "access-control-allow-origin", "access-control-expose-headers", "referrer-policy", "ratelimit", "ratelimit-policy"]);

const fragment = (pointer) => pointer.map((part) => "/" + encodeURIComponent(String(part).replaceAll("~", "~0").replaceAll("/", "~1"))).join("");

export class Document {
	constructor(json) {
		this.json = json;
		this.ajv = new Ajv2020.default({ strict: false, allErrors: false, validateFormats: true });
		addFormats.default(this.ajv);
		this.ajv.addSchema({ ...json, $id: "doc:open" });
		this.ajv.addSchema({ ...this.closed(json), $id: "doc:closed" });
		this.compiled = new Map();
		this.operations = this.listOperations();
		this.problems = new Map(json.components.schemas.ProblemType.oneOf.map((row) => [row.const, row]));
	}

	at(pointer) {
		return pointer.reduce((value, part) => value?.[part], this.json);
	}

	// Follows a $ref: where the thing really stands.
	resolve(pointer) {
		const value = this.at(pointer);

		if (value?.$ref === undefined)
			return pointer;
		return this.resolve(value.$ref.slice(2).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~")));
	}

	listOperations() {
		const found = [];

		for (const [path, item] of Object.entries(this.json.paths))
			for (const method of METHODS.filter((name) => item[name]))
				found.push(this.operation(path, method, item));
		return found;
	}

	operation(path, method, item) {
		const base = ["paths", path, method];
		const pointers = [
			...(item.parameters ?? []).map((_, at) => ["paths", path, "parameters", at]),
			...(item[method].parameters ?? []).map((_, at) => [...base, "parameters", at]),
		].map((pointer) => this.resolve(pointer));

		return {
			id: item[method].operationId,
			method: method.toUpperCase(),
			path,
			json: item[method],
			pattern: new RegExp("^" + path.split("/").map((part) =>
				/^\{.*\}$/.test(part) ? "([^/]+)" : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("/") + "$"),
			parameters: pointers.map((pointer) => ({ pointer, ...this.at(pointer) })),
			body: item[method].requestBody && this.resolve([...base, "requestBody"]),
			responses: Object.fromEntries(Object.keys(item[method].responses).map((status) =>
				[status, this.resolve([...base, "responses", status])])),
		};
	}

	// {operation} or {allowed: methods}; HEAD is where GET is.
	find(method, path) {
		const here = this.operations.filter((operation) => operation.pattern.test(path));

		return {
			operation: here.find((operation) => operation.method === (method === "HEAD" ? "GET" : method)),
			allowed: here.map((operation) => operation.method),
		};
	}

	// Objects that say which members they have get no others.
	closed(schema) {
		if (Array.isArray(schema))
			return schema.map((one) => this.closed(one));
		if (schema === null || typeof schema !== "object")
			return schema;
		if (schema.allOf)
			return this.closed(this.merged(schema.allOf));
		const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) =>
			[key, key === "examples" || key === "example" || key === "enum" || key === "default" ? value : this.closed(value)]));
		if (copy.type === "object" && copy.properties && copy.additionalProperties === undefined)
			copy.additionalProperties = false;
		return copy;
	}

	merged(parts) {
		const whole = { type: "object", properties: {}, required: [] };

		for (const part of parts) {
			const schema = part.$ref ? this.at(this.resolve(part.$ref.slice(2).split("/"))) : part;

			Object.assign(whole.properties, schema.properties);
			whole.required.push(...(schema.required ?? []));
		}
		return whole;
	}

	// null, or what is wrong with the value.
	mistake(which, pointer, value) {
		const ref = `doc:${which}#${fragment(pointer)}`;

		if (!this.compiled.has(ref))
			this.compiled.set(ref, this.ajv.compile({ $ref: ref }));
		const validate = this.compiled.get(ref);
		if (validate(value))
			return null;
		const error = validate.errors.at(-1);
		return `${error.instancePath || "the whole"} ${error.message} ${JSON.stringify(error.params)} in ${JSON.stringify(value).slice(0, 300)}`;
	}

	// ---- a request ----

	parameter(operation, where, name) {
		for (const parameter of operation.parameters) {
			if (parameter.in !== where)
				continue;
			if (parameter.explode && parameter.schema.patternProperties) {
				const key = Object.keys(parameter.schema.patternProperties).find((pattern) => new RegExp(pattern, "u").test(name));
				if (key)
					return { ...parameter, schemaPointer: [...parameter.pointer, "schema", "patternProperties", key] };
			} else if (where === "header" ? parameter.name.toLowerCase() === name.toLowerCase() : parameter.name === name) {
				return { ...parameter, schemaPointer: [...parameter.pointer, "schema"] };
			}
		}
		return null;
	}

	parameterMistake(operation, where, name, text) {
		const parameter = this.parameter(operation, where, name);

		if (parameter === null)
			return where === "header" ? null : `the ${where} parameter ${name} is not documented`;
		const mistake = this.mistake("open", parameter.schemaPointer, this.typed(parameter.schemaPointer, text));
		return mistake && `${where} parameter ${name}: ${mistake}`;
	}

	// The text of a parameter or header as the type that its schema wants.
	typed(pointer, text) {
		const { type } = this.at(this.resolve(pointer));

		if (type === "integer" && /^-?\d+$/.test(text))
			return Number(text);
		if (type === "boolean" && ["true", "false", "1", "0"].includes(text))
			return text === "true" || text === "1";
		return text;
	}

	requestMistakes(operation, { query, headers, body }) {
		const mistakes = [
			...[...query].map(([name, text]) => this.parameterMistake(operation, "query", name, text)),
			...Object.entries(headers).map(([name, text]) => this.parameterMistake(operation, "header", name, text)),
			...operation.parameters.filter((one) => one.in === "query" && one.required && !query.has(one.name))
				.map((one) => `the query parameter ${one.name} is required`),
			this.bodyMistake(operation, headers, body),
		];

		return mistakes.filter((mistake) => mistake);
	}

	bodyMistake(operation, headers, body) {
		const named = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

		if (!operation.body)
			return body ? "a body is not documented" : null;
		const content = this.at(operation.body).content;
		const type = (named["content-type"] ?? Object.keys(content)[0]).split(";")[0].trim().toLowerCase();
		if (!content[type])
			return `the content type ${type} is not documented`;
		if (body === undefined || body === "" || named["content-encoding"] || operation.tag === "Items")
			return null;
		if (content[type].schema.type === "string" || content[type].schema.$ref === undefined)
			return null;
		const mistake = this.mistake("open", [...operation.body, "content", type, "schema"], JSON.parse(body));
		return mistake && `the body: ${mistake}`;
	}

	// ---- a reply ----

	replyMistakes(operation, { method, status, headers, body, whole }) {
		const response = operation.responses[status];

		if (!response)
			return [`the status ${status} is not documented`];
		const mistakes = this.headerMistakes(response, headers);
		const content = this.at(response).content;
		const type = headers.get("content-type")?.split(";")[0].trim().toLowerCase();
		if (!content)
			return [...mistakes, ...(body ? ["there should be no body"] : [])];
		if (!content[type])
			return [...mistakes, `the content type ${type} is not documented`];
		if (method === "HEAD")
			return mistakes;
		return [...mistakes, ...this.contentMistakes([...response, "content", type], type, body, whole, status)];
	}

	headerMistakes(response, headers) {
		const documented = this.at(response).headers ?? {};
		const names = new Set(Object.keys(documented).map((name) => name.toLowerCase()));
		const mistakes = [...headers.keys()].filter((name) => !names.has(name) && !COMMON_HEADERS.has(name))
			.map((name) => `the header ${name} is not documented`);

		for (const name of Object.keys(documented)) {
			const pointer = this.resolve([...response, "headers", name]);
			const value = headers.get(name.toLowerCase());

			if (value === undefined) {
				// Of a file that is still the same nothing is said about its coding.
				if (this.at(pointer).required)
					mistakes.push(`the header ${name} is missing`);
				continue;
			}
			const mistake = this.mistake("open", [...pointer, "schema"], this.typed([...pointer, "schema"], value));
			if (mistake)
				mistakes.push(`header ${name}: ${mistake}`);
		}
		return mistakes;
	}

	contentMistakes(pointer, type, body, whole, status) {
		const one = (schema, text) => {
			let value;

			try {
				value = JSON.parse(text);
			} catch (error) {
				return `${error.message} in ${text.slice(0, 200)}`;
			}
			return this.at(schema) && this.mistake("closed", schema, value);
		};
		const lines = (text) => (whole ? text : text.slice(0, text.lastIndexOf("\n") + 1)).split("\n").filter((line) => line.trim());
		let mistakes = [];

		if (type === "application/x-ndjson")
			mistakes = lines(body).map((line) => one([...pointer, "x-item-schema"], line));
		else if (type === "text/event-stream")
			mistakes = events(body).map((event) => this.eventMistake(pointer, event, one));
		else if (type.endsWith("json") && whole)
			mistakes = [one([...pointer, "schema"], body) ?? (type === "application/problem+json" && this.problemMistake(body, status))];
		return mistakes.filter((mistake) => mistake).slice(0, 3);
	}

	eventMistake(pointer, event, one) {
		const kinds = this.at([...pointer, "x-event-schemas"]);

		if (!kinds)
			return event.name ? `the event ${event.name} is not documented` : one([...pointer, "x-item-schema"], event.data);
		if (!kinds[event.name])
			return `the event ${event.name} is not documented`;
		return one([...pointer, "x-event-schemas", event.name], event.data);
	}

	// A problem says what the table of problems says.
	problemMistake(body, status) {
		const problem = JSON.parse(body);
		const row = this.problems.get(problem.type);

		if (!row)
			return `the problem ${problem.type} is not documented`;
		if (row.title !== problem.title || row["x-status"] !== problem.status || problem.status !== status)
			return `${problem.type}: ${problem.status} ${problem.title} in a reply of ${status} is not ${row["x-status"]} ${row.title}`;
		return null;
	}
}

// The events of a stream that came whole.
function events(text) {
	return text.slice(0, text.lastIndexOf("\n\n") + 2).split("\n\n").filter((block) => block.includes("data:")).map((block) => {
		const fields = block.split("\n").filter((line) => line && !line.startsWith(":")).map((line) => /^(\w+): ?(.*)$/.exec(line) ?? []);
		const all = (name) => fields.filter((field) => field[1] === name).map((field) => field[2]);

		return { name: all("event")[0] ?? "", data: all("data").join("\n") };
	});
}
