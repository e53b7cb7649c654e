#include "sql/cursor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stage_write.h"

void sql_cursor_done(struct sql_cursor *cursor)
{
	stage_text_done(&cursor->key);
	stage_text_done(&cursor->said);
}

bool sql_cursor_holds(const struct sql_cursor *cursor, struct stage_ctx *ctx)
{
	size_t len;
	const char *state = stage_state(ctx, &len);

	if (state == NULL)
		return cursor->said.len == 0;
	return cursor->said.len == len && memcmp(cursor->said.at, state, len) == 0;
}

static bool read_state(struct sql_cursor *cursor, yyjson_val *root)
{
	yyjson_val *rows = yyjson_obj_get(root, "rows"), *key = yyjson_obj_get(root, "key");

	if (!yyjson_is_raw(rows))
		return false;
	cursor->rows = strtoull(yyjson_get_raw(rows), NULL, 10);
	if (yyjson_is_raw(key)) {
		stage_text_put(&cursor->key, yyjson_get_raw(key), yyjson_get_len(key));
	} else if (yyjson_is_str(key)) {
		sql_text_json(&cursor->key, yyjson_get_str(key), yyjson_get_len(key));
	}
	return true;
}

bool sql_cursor_load(struct sql_cursor *cursor, struct stage_ctx *ctx)
{
	size_t len;
	const char *state = stage_state(ctx, &len);
	yyjson_doc *doc;
	bool done;

	cursor->rows = 0;
	cursor->key.len = cursor->said.len = 0;
	if (state == NULL)
		return true;
	doc = yyjson_read(state, len, YYJSON_READ_NUMBER_AS_RAW);
	done = read_state(cursor, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	if (!done)
		return stage_fail(ctx, STAGE_PERMANENT, "the saved cursor is damaged"), false;
	stage_text_put(&cursor->said, state, len);
	if (stage_text_end(&cursor->said) == NULL || stage_text_end(&cursor->key) == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory"), false;
	return true;
}

enum stage_result sql_cursor_save(struct sql_cursor *cursor, struct stage_ctx *ctx)
{
	struct stage_text *said = &cursor->said;

	said->len = 0;
	stage_text_format(said, "{\"rows\":%" PRIu64, cursor->rows);
	if (cursor->key.len > 0) {
		stage_text_puts(said, ",\"key\":");
		stage_text_put(said, cursor->key.at, cursor->key.len);
	}
	stage_text_puts(said, "}");
	if (stage_text_end(said) == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	return stage_state_set(ctx, said->at, said->len);
}

/* ---- JSON strings of bytes that may be anything ---- */

/* How many bytes of valid UTF-8 stand there as one character; 0: none (RFC 3629). */
static size_t utf8_len(const unsigned char *at, size_t left)
{
	unsigned low = 0x80, high = 0xbf;
	size_t len;

	if (*at < 0x80)
		return 1;
	if (*at < 0xc2 || *at > 0xf4)
		return 0;
	len = *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	if (len > left)
		return 0;
	if (*at == 0xe0)
		low = 0xa0; /* no longer than it must be */
	else if (*at == 0xed)
		high = 0x9f; /* no surrogates */
	else if (*at == 0xf0)
		low = 0x90;
	else if (*at == 0xf4)
		high = 0x8f; /* nothing beyond U+10FFFF */
	if (at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void sql_text_json(struct stage_text *text, const char *bytes, size_t len)
{
	const unsigned char *at = (const unsigned char *)bytes, *end = at + len;

	stage_text_put(text, "\"", 1);
	while (at < end) {
		const unsigned char *begin = at;
		size_t one = 0;
		char *to;

		while (at < end && (one = utf8_len(at, (size_t)(end - at))) > 0)
			at += one;
		len = (size_t)(at - begin);
		to = stage_text_room(text, STAGE_ESCAPED_MAX(len));
		if (to == NULL)
			return;
		stage_text_took(
			text, (size_t)(stage_put_escaped(to, (const char *)begin, len) - to));
		if (at < end) {
			stage_text_puts(text, "\xef\xbf\xbd");
			at++;
		}
	}
	stage_text_put(text, "\"", 1);
}

/* ---- parameters of a query ---- */

yyjson_doc *sql_params_read(const char *json, bool named, struct stage_ctx *ctx, bool *ret_done)
{
	yyjson_doc *doc;
	yyjson_val *root;

	*ret_done = true;
	if (json == NULL)
		return NULL;
	doc = yyjson_read(json, strlen(json), YYJSON_READ_NUMBER_AS_RAW);
	root = yyjson_doc_get_root(doc);
	if (yyjson_is_arr(root) || (named && yyjson_is_obj(root)))
		return doc;
	*ret_done = false;
	if (doc == NULL)
		stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	else
		stage_fail(ctx, STAGE_PERMANENT, "/params: must be an array of values%s",
			named ? ", or an object of names and values" : "");
	yyjson_doc_free(doc);
	return NULL;
}
