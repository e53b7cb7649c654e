/* The whole of a definition: members, the order of the stages, their names. */
#include "job/definition_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const char *const root_fields[] = { "name", "labels", "stages", "order", "backlog",
	"limits", "retention_ms", NULL };
static const char *const backlog_fields[] = { "bytes", NULL };
static const char *const limits_fields[] = { "max_failures", "max_failure_ratio", "deadline_ms",
	NULL };

struct parser {
	const struct catalog *catalog;
	const struct definition_rules *rules;
	struct fields root;
	struct mistakes *mistakes;
	struct definition *to;
};

/* ---- labels and limits, for PATCH too ---- */

static bool label_is_right(const char *key, const json_t *value, const struct fields *fields)
{
	const char *text;

	if (*key == '\0' || strlen(key) > NAME_BYTES_MAX ||
		!text_is_printable(key, strlen(key))) {
		fields_mistake(fields, key, "a label's key has 1 to %d printable bytes",
			NAME_BYTES_MAX);
		return false;
	}
	return json_is_null(value) || field_text(fields, key, NAME_BYTES_MAX, &text);
}

int labels_merge(json_t *labels, const json_t *given, bool null_removes, const char *pointer,
	struct mistakes *mistakes)
{
	struct fields fields = { given, pointer, mistakes };
	const char *key;
	json_t *value;

	if (!json_is_object(given)) {
		mistakes_add(mistakes, pointer, "must be an object of strings, not %s",
			value_shown(given).text);
		return 0;
	}
	json_object_foreach((json_t *)given, key, value)
	{
		if (!label_is_right(key, value, &fields))
			continue;
		if (!json_is_null(value)) {
			if (json_object_set(labels, key, value) < 0)
				return -1;
		} else if (null_removes) {
			json_object_del(labels, key);
		} else {
			fields_mistake(&fields, key, "must be a string, not null");
		}
	}
	if (json_object_size(labels) > LABELS_MAX)
		mistakes_add(mistakes, pointer, "there are %zu labels; at most %d may be",
			json_object_size(labels), LABELS_MAX);
	return 0;
}

void limits_parse(const json_t *value, const char *pointer, struct mistakes *mistakes,
	struct job_limits *to)
{
	uint64_t max_failures = (uint64_t)to->max_failures;
	struct fields fields;

	if (!fields_open(&fields, value, pointer, limits_fields, mistakes))
		return;
	field_uint_or_none(&fields, "max_failures", 0, INT64_MAX, (uint64_t)-1, &max_failures);
	to->max_failures = (int64_t)max_failures;
	field_number_or_none(&fields, "max_failure_ratio", 0, 1, -1, &to->max_failure_ratio);
	field_uint_or_none(&fields, "deadline_ms", 1, DEADLINE_MS_MAX, 0, &to->deadline_ms);
}

/* ---- the stages ---- */

static void check_place(const struct parser *parser, unsigned index)
{
	const struct stage *stage = parser->to->stages[index].stage;
	struct pointer pointer = pointer_at(pointer_index("/stages", index).text, "use");

	if (stage == NULL)
		return;
	if (stage->kind == STAGE_SOURCE && index > 0)
		mistakes_add(parser->mistakes, pointer.text,
			"'%s' is a source: it can only stand first", stage->name);
	if (stage->kind == STAGE_SINK && index + 1 < parser->to->stage_count)
		mistakes_add(parser->mistakes, pointer.text,
			"'%s' is a sink: it can only stand last", stage->name);
}

static int find_named(const struct definition *definition, const char *name)
{
	for (unsigned i = 0; i < definition->stage_count; i++)
		if (definition->stages[i].name != NULL &&
			strcmp(definition->stages[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* The words of `workers.NAME=8` would be ambiguous as names. */
static bool is_reserved(const char *name)
{
	return strcmp(name, "workers") == 0 || strcmp(name, "queue") == 0;
}

static int take_given_name(struct parser *parser, unsigned index, const json_t *value)
{
	struct pointer pointer = pointer_at(pointer_index("/stages", index).text, "name");
	const char *name = json_string_value(value);
	int other;

	if (name == NULL || !text_is_name(name, json_string_length(value)))
		mistakes_add(parser->mistakes, pointer.text,
			"must be 1 to %d letters, digits, '_' or '-', not %s", TEXT_NAME_MAX,
			value_shown(value).text);
	else if (is_reserved(name))
		mistakes_add(parser->mistakes, pointer.text,
			"'%s' is taken by the query parameters %s.NAME", name, name);
	else if ((other = find_named(parser->to, name)) >= 0)
		mistakes_add(parser->mistakes, pointer.text,
			"'%s' is the name of stage %d already", name, other);
	else if ((parser->to->stages[index].name = mem_strdup(name)) == NULL)
		return -1;
	return 0;
}

static int make_default_name(struct parser *parser, unsigned index)
{
	struct stage_def *stage = &parser->to->stages[index];
	struct stage_name name;

	if (stage->stage == NULL)
		return 0;
	for (unsigned nth = is_reserved(stage->stage->name) ? 2 : 1;; nth++) {
		name = stage_default_name(stage->stage->name, nth);
		if (find_named(parser->to, name.text) < 0)
			break;
	}
	stage->name = mem_strdup(name.text);
	return stage->name == NULL ? -1 : 0;
}

/* Given names first, so that `use-2` goes round them. */
static int name_stages(struct parser *parser, const json_t *list)
{
	for (unsigned i = 0; i < parser->to->stage_count; i++) {
		const json_t *name = json_object_get(json_array_get(list, i), "name");

		if (name != NULL && take_given_name(parser, i, name) < 0)
			return -1;
	}
	for (unsigned i = 0; i < parser->to->stage_count; i++) {
		const json_t *name = json_object_get(json_array_get(list, i), "name");

		if (name == NULL && make_default_name(parser, i) < 0)
			return -1;
	}
	return 0;
}

/* How many of `stages` are to be looked at; 0 with a mistake when there are none. */
static unsigned count_stages(const struct parser *parser, const json_t *list)
{
	unsigned max = parser->rules->stages_max;

	if (list == NULL)
		fields_mistake(&parser->root, "stages", "is missing: the pipeline, as in %s",
			"[{\"use\":\"pass\"}]");
	else if (!json_is_array(list))
		fields_mistake(&parser->root, "stages", "must be an array, not %s",
			value_shown(list).text);
	else if (json_array_size(list) == 0)
		fields_mistake(&parser->root, "stages", "is empty: give at least one stage");
	else if (json_array_size(list) > max)
		fields_mistake(&parser->root, "stages", "has %zu stages; at most %u may be",
			json_array_size(list), max);
	return (unsigned)MIN(json_array_size(list), (size_t)max);
}

static int parse_stages(struct parser *parser)
{
	const json_t *list = json_object_get(parser->root.object, "stages");
	unsigned count = count_stages(parser, list);
	struct definition *to = parser->to;
	int result = 0;

	to->stages = mem_zalloc((count + 1) * sizeof(to->stages[0]));
	if (to->stages == NULL)
		return -1;
	to->stage_count = count;
	for (unsigned i = 0; i < count; i++) {
		struct pointer pointer = pointer_index("/stages", i);

		if (stage_def_parse(json_array_get(list, i), pointer.text, parser->catalog,
			    parser->rules, parser->mistakes, &to->stages[i]) < 0)
			result = -1;
	}
	for (unsigned i = 0; i < count; i++)
		check_place(parser, i);
	if (name_stages(parser, list) < 0 || result < 0 || count == 0)
		return -1;
	to->has_source = to->stages[0].stage->kind == STAGE_SOURCE;
	to->has_sink = to->stages[count - 1].stage->kind == STAGE_SINK;
	return 0;
}

/* ---- the rest ---- */

static int parse_name_and_labels(struct parser *parser)
{
	const json_t *labels = json_object_get(parser->root.object, "labels");
	const char *name = "";

	field_text(&parser->root, "name", NAME_BYTES_MAX, &name);
	parser->to->name = mem_strdup(name);
	parser->to->labels = json_object();
	if (parser->to->name == NULL || parser->to->labels == NULL)
		return -1;
	return labels == NULL ? 0
			      : labels_merge(parser->to->labels, labels, false, "/labels",
					parser->mistakes);
}

static void parse_bounds(struct parser *parser)
{
	const struct definition_rules *rules = parser->rules;
	const json_t *backlog = json_object_get(parser->root.object, "backlog");
	const json_t *limits = json_object_get(parser->root.object, "limits");
	struct definition *to = parser->to;
	struct fields inner;

	to->backlog_bytes = MIN(rules->backlog_default, rules->backlog_max);
	if (backlog != NULL &&
		fields_open(&inner, backlog, "/backlog", backlog_fields, parser->mistakes))
		field_uint(&inner, "bytes", 1, rules->backlog_max, &to->backlog_bytes);
	to->limits = (struct job_limits){ .max_failures = -1, .max_failure_ratio = -1 };
	if (limits != NULL)
		limits_parse(limits, "/limits", parser->mistakes, &to->limits);
	to->retention_ms = rules->retention_default_ms;
	field_uint(&parser->root, "retention_ms", 0, RETENTION_MS_MAX, &to->retention_ms);
}

static int parse_all(struct parser *parser)
{
	int ordered = 0, result = parse_name_and_labels(parser);

	if (parse_stages(parser) < 0)
		result = -1;
	field_word(&parser->root, "order", order_words, &ordered);
	parser->to->ordered = ordered;
	parse_bounds(parser);
	return result;
}

/* `failures`: allocations that had failed before; a value without memory looks like a wrong
 * one. */
static int refuse(struct mistakes *mistakes, unsigned failures, struct error *err)
{
	const struct mistake *first = &mistakes->items[0];

	if (mem_failures() != failures)
		mistakes_done(mistakes);
	if (mistakes->count == 0)
		return error_no_memory(err);
	return error_set(err, ERR_DEFINITION,
		"%u mistake%s in the job definition, first %s: %s", mistakes->count,
		mistakes->count == 1 ? "" : "s",
		*first->pointer != '\0' ? first->pointer : "the whole", first->detail);
}

int definition_parse(const json_t *root, const struct catalog *catalog,
	const struct definition_rules *rules, struct mistakes *mistakes,
	struct definition **ret, struct error *err)
{
	struct parser parser = { .catalog = catalog, .rules = rules, .mistakes = mistakes };
	unsigned before = mistakes->count, failures = mem_failures();

	if (!fields_open(&parser.root, root, "", root_fields, mistakes))
		return refuse(mistakes, failures, err);
	parser.to = mem_zalloc(sizeof(*parser.to));
	if (parser.to == NULL)
		return error_no_memory(err);
	if (parse_all(&parser) < 0 || mistakes->count > before) {
		definition_free(parser.to);
		return refuse(mistakes, failures, err);
	}
	*ret = parser.to;
	return 0;
}
