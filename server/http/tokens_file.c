#include "http/tokens_file.h"

#include <nettle/base16.h>
#include <string.h>

#include "base/file.h"
#include "base/json_parse.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "job/field.h"

#define FILE_MAX ((size_t)16 << 20)

static const char *const members[] = { "name", "id", "salt", "hash", "scopes", "labels",
	"created", NULL };

/* ---- a record ---- */

/* Exactly `size` bytes, as hex digits. */
static bool field_bytes(const struct fields *fields, const char *name, uint8_t *to, size_t size)
{
	struct base16_decode_ctx base16;
	const char *text = NULL;
	uint8_t bytes[TOKEN_HASH_BYTES + 1];
	size_t len = sizeof(bytes);

	if (!field_text(fields, name, 2 * TOKEN_HASH_BYTES, &text))
		return false;
	base16_decode_init(&base16);
	if (strlen(text) == 2 * size &&
		base16_decode_update(&base16, &len, bytes, strlen(text), text) &&
		base16_decode_final(&base16) && len == size) {
		memcpy(to, bytes, size);
		return true;
	}
	fields_mistake(fields, name, "must be %zu hex digits", 2 * size);
	return false;
}

static void parse_scopes(const struct fields *fields, unsigned *ret)
{
	const json_t *array = json_object_get(fields->object, "scopes");
	json_t *word;
	size_t at;

	if (!json_is_array(array) || json_array_size(array) == 0) {
		fields_mistake(fields, "scopes",
			"must be an array of words: read, submit, operate, admin");
		return;
	}
	json_array_foreach(array, at, word)
	{
		enum scope scope = json_is_string(word) ? scope_parse(json_string_value(word))
							: SCOPE_NONE;

		if (scope == SCOPE_NONE)
			fields_mistake(fields, "scopes",
				"must be of read, submit, operate and admin, not %s",
				value_shown(word).text);
		*ret |= scope;
	}
}

static const char *parse_name(const struct fields *fields)
{
	const char *name = NULL, *mistake;

	if (json_object_get(fields->object, "name") == NULL)
		fields_mistake(fields, "name", "is missing");
	else if (field_text(fields, "name", PRINCIPAL_NAME_SIZE - 1, &name) &&
		 (mistake = token_name_mistake(name)) != NULL)
		fields_mistake(fields, "name", "%s", mistake);
	return name == NULL ? "" : name;
}

/* All three, or none of them. */
static void parse_secret(const struct fields *fields, struct token *token)
{
	static const char *const parts[] = { "id", "salt", "hash" };
	const char *id = NULL;
	unsigned given = 0;

	for (size_t at = 0; at < ARRAY_SIZE(parts); at++)
		given += json_object_get(fields->object, parts[at]) != NULL;
	if (given == 0)
		return;
	for (size_t at = 0; at < ARRAY_SIZE(parts); at++)
		if (json_object_get(fields->object, parts[at]) == NULL)
			fields_mistake(fields, parts[at], "is missing");
	if (field_text(fields, "id", TOKEN_ID_SIZE - 1, &id)) {
		if (strlen(id) != TOKEN_ID_SIZE - 1 ||
			strspn(id, "0123456789abcdef") != TOKEN_ID_SIZE - 1)
			fields_mistake(
				fields, "id", "must be %d hex digits", TOKEN_ID_SIZE - 1);
		memcpy(token->id, id, strnlen(id, TOKEN_ID_SIZE - 1));
	}
	field_bytes(fields, "salt", token->salt, TOKEN_SALT_BYTES);
	field_bytes(fields, "hash", token->hash, TOKEN_HASH_BYTES);
}

/* NULL: none, or a mistake. */
static json_t *parse_labels(const struct fields *fields)
{
	json_t *given = json_object_get(fields->object, "labels"), *labels;

	if (given == NULL || (json_is_object(given) && json_object_size(given) == 0))
		return NULL;
	labels = json_object();
	if (labels != NULL &&
		labels_merge(labels, given, false, "/labels", fields->mistakes) == 0)
		return labels;
	json_decref(labels);
	return NULL;
}

static void parse_record(const json_t *root, struct token *token, struct mistakes *mistakes)
{
	const char *name, *created = "";
	json_t *labels = NULL;
	unsigned scopes = 0;
	struct fields fields;

	if (!fields_open(&fields, root, "", members, mistakes))
		return;
	name = parse_name(&fields);
	parse_secret(&fields, token);
	parse_scopes(&fields, &scopes);
	labels = parse_labels(&fields);
	if (labels != NULL && (scopes & SCOPE_ADMIN) != 0)
		fields_mistake(&fields, "labels",
			"do not go with the scope admin, which spans all labels");
	field_text(&fields, "created", TOKEN_CREATED_SIZE - 1, &created);
	strcpy(token->created, created);
	if (mistakes->count == 0)
		token->principal = principal_new(name, scopes, labels);
	json_decref(labels);
}

/* ---- the file ---- */

static int refuse_line(const struct mistakes *mistakes, unsigned failures, struct error *err)
{
	const struct mistake *first = &mistakes->items[0];

	if (mem_failures() != failures)
		return error_no_memory(err);
	return error_set(err, ERR_BAD_REQUEST, "%s%s%s",
		first->pointer[0] == '/' ? first->pointer + 1 : "the line", " ", first->detail);
}

static int parse_line(struct tokens *tokens, const char *line, size_t len, struct error *err)
{
	unsigned failures = mem_failures();
	struct token token = { 0 };
	struct mistakes mistakes;
	json_auto_t *root = json_parse(line, len, JSON_REJECT_DUPLICATES, err);
	int result = 0;

	if (root == NULL)
		return -1;
	mistakes_init(&mistakes);
	parse_record(root, &token, &mistakes);
	if (token.principal == NULL || mem_failures() != failures)
		result = refuse_line(&mistakes, failures, err);
	else
		result = tokens_add(tokens, &token, err);
	if (result < 0)
		principal_unref(token.principal);
	mistakes_done(&mistakes);
	return result;
}

static bool is_blank(const char *line, size_t len)
{
	for (size_t at = 0; at < len; at++)
		if (strchr(" \t\r", line[at]) == NULL || line[at] == '\0')
			return false;
	return true;
}

static int parse_lines(struct tokens *tokens, const char *text, size_t len, const char *from,
	struct error *err)
{
	const char *end;
	struct error why;

	if (len == 0)
		text = ""; /* there may be none at all */
	end = text + len;
	for (size_t number = 1; text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line = (size_t)((newline == NULL ? end : newline) - text);

		if (!is_blank(text, line) && parse_line(tokens, text, line, &why) < 0)
			return error_set(err,
				why.code == ERR_NO_MEMORY ? why.code : ERR_BAD_REQUEST,
				"%s, line %zu: %s", from, number, why.text);
		text = newline == NULL ? end : newline + 1;
	}
	if (tokens_index(tokens, &why) < 0)
		return error_set(err, why.code, "%s: %s", from, why.text);
	return 0;
}

int tokens_parse(
	const char *text, size_t len, const char *from, struct tokens **ret, struct error *err)
{
	struct tokens *tokens = tokens_new();

	if (tokens == NULL)
		return error_no_memory(err);
	if (parse_lines(tokens, text, len, from, err) < 0) {
		tokens_free(tokens);
		return -1;
	}
	*ret = tokens;
	return 0;
}

int tokens_read(const char *path, struct tokens **ret, struct error *err)
{
	struct buf text = BUF_INIT;
	int result;

	if (file_read(path, FILE_MAX, &text, err) < 0) {
		buf_done(&text);
		return -1;
	}
	result = tokens_parse(text.data, text.len, path, ret, err);
	buf_done(&text);
	return result;
}

/* ---- writing ---- */

json_t *scopes_to_json(unsigned scopes)
{
	json_t *array = json_array();

	for (unsigned scope = SCOPE_READ; scope <= SCOPE_ADMIN; scope <<= 1)
		if ((scopes & scope) != 0)
			json_array_append_new(
				array, json_string(scope_name((enum scope)scope)));
	return array;
}

static int add_secret(json_t *json, const struct token *token)
{
	char salt[2 * TOKEN_SALT_BYTES + 1] = "", hash[2 * TOKEN_HASH_BYTES + 1] = "";

	if (token->id[0] == '\0')
		return 0;
	base16_encode_update(salt, TOKEN_SALT_BYTES, token->salt);
	base16_encode_update(hash, TOKEN_HASH_BYTES, token->hash);
	return json_object_set_new(json, "id", json_string(token->id)) |
	       json_object_set_new(json, "salt", json_string(salt)) |
	       json_object_set_new(json, "hash", json_string(hash));
}

static int append_record(const struct token *token, struct buf *to)
{
	const struct principal *principal = token->principal;
	json_auto_t *json = json_object();
	int failed = json_object_set_new(json, "name", json_string(principal->name));

	failed |= add_secret(json, token);
	failed |= json_object_set_new(json, "scopes", scopes_to_json(principal->scopes));
	if (principal->labels != NULL)
		failed |= json_object_set(json, "labels", principal->labels);
	if (token->created[0] != '\0')
		failed |= json_object_set_new(json, "created", json_string(token->created));
	if (failed != 0 || json_append_text(json, JSON_COMPACT, to) < 0)
		return -1;
	return buf_append(to, "\n", 1);
}

int tokens_format(const struct tokens *tokens, struct buf *to, struct error *err)
{
	unsigned failures = mem_failures();
	int result = 0;

	for (size_t at = 0; result == 0 && at < tokens->count; at++)
		result = append_record(&tokens->items[at], to);
	if (result < 0 || mem_failures() != failures)
		return error_no_memory(err);
	return 0;
}
