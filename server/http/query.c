#include "http/query.h"

#include <string.h>

#include "base/mem.h"
#include "job/text.h"

#define PARAMS_MAX 256 /* in one request */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ptrdiff_t percent_decode(char *text, bool plus)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		if (*from == '%') {
			int high = hex(from[1]), low = high < 0 ? -1 : hex(from[2]);

			if (low < 0)
				return -1;
			*to++ = (char)(high << 4 | low);
			from += 2;
		} else {
			*to++ = plus && *from == '+' ? ' ' : *from;
		}
	}
	*to = '\0';
	return to - text;
}

/* `len` bytes of UTF-8 without NUL? */
static bool is_text(const char *text, size_t len)
{
	size_t step;

	for (; len > 0; text += step, len -= step) {
		step = text_char_len(text, len);
		if (step == 0 || *text == '\0')
			return false;
	}
	return true;
}

static bool allows(const struct param *param, const char *key)
{
	size_t len = strlen(param->name);

	if (strcmp(param->name, ".") == 0)
		return strchr(key, '.') != NULL && key[0] != '.' && key[strlen(key) - 1] != '.';
	if (param->name[len - 1] == '.')
		return strncmp(key, param->name, len) == 0 && key[len] != '\0';
	return strcmp(key, param->name) == 0;
}

static const struct param *find_param(const struct param *params, const char *key)
{
	for (; params != NULL && params->name != NULL; params++)
		if (allows(params, key))
			return params;
	return NULL;
}

static void say_unknown(const struct param *params, const char *key, struct mistakes *mistakes)
{
	struct nearest nearest;
	const char *best;

	nearest_init(&nearest, key);
	for (; params != NULL && params->name != NULL; params++)
		nearest_offer(&nearest, params->name);
	best = nearest_best(&nearest);
	if (best != NULL)
		mistakes_add(
			mistakes, key, "unknown query parameter; did you mean '%s'?", best);
	else
		mistakes_add(mistakes, key, "unknown query parameter");
}

/* Is `text` one of the words of "a|b|c"? */
static bool is_choice(const char *choices, const char *text)
{
	size_t len = strlen(text);

	for (const char *at = choices;; at++) {
		const char *end = strchrnul(at, '|');

		if ((size_t)(end - at) == len && memcmp(at, text, len) == 0)
			return true;
		if (*end == '\0')
			return false;
		at = end;
	}
}

static bool parse_bool(const char *text, uint64_t *ret)
{
	*ret = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
	return *ret != 0 || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
}

static void check_value(
	const struct param *param, struct query_value *value, struct mistakes *mistakes)
{
	unsigned long long max = param->max != 0 ? param->max : INT64_MAX, number = 0;

	switch (param->type) {
	case PARAM_BOOL:
		if (!parse_bool(value->text, &value->number))
			mistakes_add(mistakes, value->key, "must be true or false");
		break;
	case PARAM_UINT:
		if (!text_to_uint(value->text, max, &number) || number < param->min)
			mistakes_add(mistakes, value->key,
				"must be a whole number from %llu to %llu",
				(unsigned long long)param->min, max);
		value->number = number;
		break;
	case PARAM_CHOICE:
		if (!is_choice(param->choices, value->text))
			mistakes_add(mistakes, value->key, "must be one of %s", param->choices);
		break;
	case PARAM_TEXT:
	case PARAM_CURSOR:
		break;
	}
}

/* Bytes that cannot be in any cursor become some that are harmless in a message. */
static void blot_cursor(char *text, size_t len)
{
	for (size_t at = 0; at < len; at++)
		if ((unsigned char)text[at] <= ' ' || (unsigned char)text[at] >= 0x7f)
			text[at] = '?';
}

static int take_pair(struct query *query, char *pair, const struct param *params,
	struct mistakes *mistakes, struct error *err)
{
	struct query_value *value = &query->values[query->count];
	char *text = strchrnul(pair, '=');
	const struct param *param;
	ptrdiff_t key_len, len;

	if (*text != '\0')
		*text++ = '\0';
	key_len = percent_decode(pair, true);
	len = percent_decode(text, true);
	if (key_len < 0 || len < 0)
		return error_set(err, ERR_BAD_REQUEST,
			"the query has a '%%' that is not followed by two hex digits");
	if (!is_text(pair, (size_t)key_len))
		return error_set(err, ERR_BAD_REQUEST, "a query parameter's name is not UTF-8");
	param = find_param(params, pair);
	if (param == NULL) {
		say_unknown(params, pair, mistakes);
		return 0;
	}
	if (query_text(query, pair) != NULL)
		mistakes_add(mistakes, pair, "is given twice");
	if (param->type == PARAM_CURSOR)
		blot_cursor(text, (size_t)len);
	else if (!is_text(text, (size_t)len))
		mistakes_add(mistakes, pair, "must be UTF-8 without NUL characters");
	value->key = pair;
	value->text = text;
	check_value(param, value, mistakes);
	query->count++;
	return 0;
}

static int parse_pairs(struct query *query, const struct param *params,
	struct mistakes *mistakes, struct error *err)
{
	char *rest = query->memory, *pair;

	while ((pair = strsep(&rest, "&")) != NULL) {
		if (*pair == '\0')
			continue;
		if (query->count == PARAMS_MAX)
			return error_set(err, ERR_BAD_REQUEST, "more than %d query parameters",
				PARAMS_MAX);
		if (take_pair(query, pair, params, mistakes, err) < 0)
			return -1;
	}
	if (mistakes->count > 0)
		return error_set(err, ERR_BAD_QUERY, "%s: %s", mistakes->items[0].pointer,
			mistakes->items[0].detail);
	return 0;
}

static size_t count_pairs(const char *raw)
{
	size_t count = 1;

	for (; *raw != '\0'; raw++)
		count += *raw == '&';
	return MIN(count, (size_t)PARAMS_MAX);
}

int query_parse(const char *raw, const struct param *params, struct query *ret,
	struct mistakes *mistakes, struct error *err)
{
	struct query query = { 0 };

	if (raw == NULL || *raw == '\0') {
		*ret = query;
		return 0;
	}
	query.memory = mem_strdup(raw);
	query.values = mem_zalloc(count_pairs(raw) * sizeof(*query.values));
	if (query.memory == NULL || query.values == NULL) {
		query_done(&query);
		return error_no_memory(err);
	}
	if (parse_pairs(&query, params, mistakes, err) < 0) {
		query_done(&query);
		return -1;
	}
	*ret = query;
	return 0;
}

void query_done(struct query *query)
{
	mem_free(query->memory);
	mem_free(query->values);
	*query = (struct query){ 0 };
}

static const struct query_value *find_value(const struct query *query, const char *key)
{
	for (size_t at = 0; at < query->count; at++)
		if (strcmp(query->values[at].key, key) == 0)
			return &query->values[at];
	return NULL;
}

const char *query_text(const struct query *query, const char *key)
{
	const struct query_value *value = find_value(query, key);

	return value == NULL ? NULL : value->text;
}

uint64_t query_uint(const struct query *query, const char *key, uint64_t otherwise)
{
	const struct query_value *value = find_value(query, key);

	return value == NULL ? otherwise : value->number;
}

bool query_bool(const struct query *query, const char *key, bool otherwise)
{
	const struct query_value *value = find_value(query, key);

	return value == NULL ? otherwise : value->number != 0;
}
