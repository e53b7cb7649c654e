#include "base/json_parse.h"

#include <string.h>
#include <yyjson.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#define DEPTH_MAX 1024
#define FILE_MAX  (64u << 20)

struct parse {
	const char *text; /* as it was given */
	const char *copy; /* in which yyjson has read; strings point into it */
	size_t len, flags;
	struct error *err;
};

static void *yy_malloc(void *ctx, size_t size)
{
	return mem_alloc(size);
}

static void *yy_realloc(void *ctx, void *old, size_t old_size, size_t size)
{
	return mem_realloc(old, size);
}

static void yy_free(void *ctx, void *ptr)
{
	mem_free(ptr);
}

static const yyjson_alc allocator = { yy_malloc, yy_realloc, yy_free, NULL };

/* ---- mistakes ---- */

static int mistake(const struct parse *parse, size_t at, const char *why)
{
	size_t line = 1, column = 1;

	/* Of nothing there may be no text. */
	for (size_t n = 0; n < MIN(at, parse->len); n++) {
		if (parse->text[n] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)parse->text[n] & 0xc0) != 0x80) {
			column++;
		}
	}
	return error_set(
		parse->err, ERR_BAD_JSON, "line %zu, column %zu: %s", line, column, why);
}

static int mistake_at(const struct parse *parse, yyjson_val *string, const char *why)
{
	/* at its quote */
	return mistake(parse, (size_t)(yyjson_get_str(string) - parse->copy) - 1, why);
}

static int cannot_read(const struct parse *parse, const yyjson_read_err *bad)
{
	if (bad->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return error_no_memory(parse->err);
	if (parse->len == 0 || bad->code == YYJSON_READ_ERROR_EMPTY_CONTENT)
		return mistake(parse, parse->len, "there is nothing");
	if (bad->pos >= parse->len)
		return mistake(parse, parse->len, "it ends too early");
	return mistake(parse, bad->pos, bad->msg);
}

/* ---- from yyjson to jansson; NULL with an error ---- */

static json_t *value_of(const struct parse *parse, yyjson_val *value, unsigned depth);

/* What jansson made, or the news that it had no memory to. */
static json_t *made(const struct parse *parse, json_t *json)
{
	if (json == NULL)
		error_no_memory(parse->err);
	return json;
}

static bool has_nul(yyjson_val *string)
{
	return memchr(yyjson_get_str(string), '\0', yyjson_get_len(string)) != NULL;
}

static json_t *string_of(const struct parse *parse, yyjson_val *value)
{
	if ((parse->flags & JSON_ALLOW_NUL) == 0 && has_nul(value)) {
		mistake_at(parse, value, "a string holds U+0000");
		return NULL;
	}
	return made(parse, json_stringn(yyjson_get_str(value), yyjson_get_len(value)));
}

static json_t *number_of(const struct parse *parse, yyjson_val *value)
{
	if (yyjson_is_real(value))
		return made(parse, json_real(yyjson_get_real(value)));
	if (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX)
		return made(parse, json_real((double)yyjson_get_uint(value)));
	return made(parse, json_integer(yyjson_get_sint(value)));
}

static json_t *array_of(const struct parse *parse, yyjson_val *value, unsigned depth)
{
	json_t *array = made(parse, json_array());
	yyjson_val *element;
	size_t index, count;

	if (array == NULL)
		return NULL;
	yyjson_arr_foreach(value, index, count, element)
	{
		json_t *inner = value_of(parse, element, depth + 1);

		if (inner != NULL && json_array_append_new(array, inner) == 0)
			continue;
		if (inner != NULL)
			error_no_memory(parse->err);
		json_decref(array);
		return NULL;
	}
	return array;
}

static int add_member(const struct parse *parse, json_t *object, yyjson_val *key,
	yyjson_val *value, unsigned depth)
{
	json_t *inner;

	if (has_nul(key))
		return mistake_at(parse, key, "a key holds U+0000");
	if ((parse->flags & JSON_REJECT_DUPLICATES) != 0 &&
		json_object_get(object, yyjson_get_str(key)) != NULL)
		return mistake_at(parse, key, "the key stands in this object already");
	inner = value_of(parse, value, depth + 1);
	if (inner == NULL)
		return -1;
	if (json_object_set_new(object, yyjson_get_str(key), inner) < 0)
		return error_no_memory(parse->err);
	return 0;
}

static json_t *object_of(const struct parse *parse, yyjson_val *value, unsigned depth)
{
	json_t *object = made(parse, json_object());
	yyjson_val *key, *member;
	size_t index, count;

	if (object == NULL)
		return NULL;
	yyjson_obj_foreach(value, index, count, key, member)
	{
		if (add_member(parse, object, key, member, depth) == 0)
			continue;
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *value_of(const struct parse *parse, yyjson_val *value, unsigned depth)
{
	if (depth > DEPTH_MAX) {
		error_set(parse->err, ERR_BAD_JSON, "nested more than %d deep", DEPTH_MAX);
		return NULL;
	}
	switch (yyjson_get_type(value)) {
	case YYJSON_TYPE_NULL:
		return json_null();
	case YYJSON_TYPE_BOOL:
		return json_boolean(yyjson_get_bool(value));
	case YYJSON_TYPE_NUM:
		return number_of(parse, value);
	case YYJSON_TYPE_STR:
		return string_of(parse, value);
	case YYJSON_TYPE_ARR:
		return array_of(parse, value, depth);
	default:
		return object_of(parse, value, depth);
	}
}

/* ---- the whole ---- */

json_t *json_parse(const char *bytes, size_t len, size_t flags, struct error *err)
{
	_auto_free_ char *copy = mem_alloc(len + YYJSON_PADDING_SIZE);
	struct parse parse = { bytes, copy, len, flags, err };
	yyjson_read_err bad;
	yyjson_doc *doc;
	json_t *json;

	if (copy == NULL) {
		error_no_memory(err);
		return NULL;
	}
	if (len > 0)
		memcpy(copy, bytes, len);
	memset(copy + len, 0, YYJSON_PADDING_SIZE);
	doc = yyjson_read_opts(copy, len, YYJSON_READ_INSITU, &allocator, &bad);
	if (doc == NULL) {
		cannot_read(&parse, &bad);
		return NULL;
	}
	json = value_of(&parse, yyjson_doc_get_root(doc), 0);
	yyjson_doc_free(doc);
	return json;
}

json_t *json_parse_file(const char *path, struct error *err)
{
	struct buf text = BUF_INIT;
	struct error why = { 0 };
	json_t *json = NULL;

	if (file_read(path, FILE_MAX, &text, err) < 0) {
		if (err != NULL && err->code == ERR_NOT_FOUND)
			err->code = ERR_BAD_REQUEST;
		return NULL;
	}
	json = json_parse(text.data, text.len, JSON_REJECT_DUPLICATES, &why);
	if (json == NULL)
		error_set(err, why.code == ERR_NO_MEMORY ? why.code : ERR_BAD_REQUEST, "%s: %s",
			path, why.text);
	buf_done(&text);
	return json;
}
