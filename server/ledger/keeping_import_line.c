/*
 * The lines of an export: JSON objects, of which the value stays the text that it is.
 */
#include "ledger/keeping_import.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/base64.h>
#include <string.h>

#include "base/json_parse.h"

int import_wrong(const struct import *import, struct error *err, const char *what)
{
	return error_set(err, ERR_BAD_REQUEST, "line %" PRIu64 " of the export is wrong: %s",
		import->number, what);
}

/* ---- a line ---- */

/* What stands behind `"value":` or `"definition":` is taken as it is. */
static int split_line(struct import *import, struct error *err)
{
	static const char *const marks[] = { ",\"value\":", ",\"definition\":" };
	char *end = import->line + import->len, *at = NULL;
	struct error why = { 0 };

	import->value = NULL;
	for (size_t n = 0; n < ARRAY_SIZE(marks) && at == NULL; n++) {
		at = memmem(import->line, import->len, marks[n], strlen(marks[n]));
		if (at == NULL)
			continue;
		import->value = at + strlen(marks[n]);
		import->value_len = (size_t)(end - import->value) - 1;
		*at = '}';
		end = at + 1;
	}
	json_decref(import->object);
	import->object = json_parse(import->line, (size_t)(end - import->line), 0, &why);
	if (import->object == NULL)
		return why.code == ERR_NO_MEMORY ? error_no_memory(err)
						 : import_wrong(import, err, why.text);
	return json_is_object(import->object) ? 0
					      : import_wrong(import, err, "it is no object");
}

/* 1: there is one; 0: the file is over. */
int import_next_line(struct import *import, struct error *err)
{
	ssize_t len = getline(&import->line, &import->capacity, import->from);

	if (len < 0)
		return ferror(import->from)
			       ? error_set(err, ERR_BAD_REQUEST, "the export cannot be read")
			       : 0;
	import->number++;
	if (len < 2 || import->line[len - 1] != '\n' || import->line[len - 2] != '}')
		return import_wrong(import, err, "it is cut off");
	import->len = (size_t)len - 1;
	return split_line(import, err) < 0 ? -1 : 1;
}

int import_get_number(
	const struct import *import, const char *name, uint64_t *ret, struct error *err)
{
	const json_t *number = json_object_get(import->object, name);
	char what[64];

	if (json_is_integer(number)) {
		*ret = (uint64_t)json_integer_value(number);
		return 0;
	}
	snprintf(what, sizeof(what), "'%s' is no number", name);
	return import_wrong(import, err, what);
}

int import_get_job(const struct import *import, struct id *ret, struct error *err)
{
	const char *text = json_string_value(json_object_get(import->object, "job"));

	return text != NULL && id_parse(text, ret)
		       ? 0
		       : import_wrong(import, err, "'job' is no id");
}

/* Into `decoded`. */
int import_get_base64(struct import *import, const char *name, struct error *err)
{
	const json_t *string = json_object_get(import->object, name);
	size_t len = json_string_length(string), got = BASE64_DECODE_LENGTH(len);
	struct base64_decode_ctx base64;
	char what[64];

	buf_clear(&import->decoded);
	if (buf_reserve(&import->decoded, got + 8) < 0)
		return error_no_memory(err);
	base64_decode_init(&base64);
	if (json_is_string(string) &&
		base64_decode_update(&base64, &got, (uint8_t *)import->decoded.data, len,
			json_string_value(string)) &&
		base64_decode_final(&base64)) {
		import->decoded.len = got;
		return 0;
	}
	snprintf(what, sizeof(what), "'%s' is no base64", name);
	return import_wrong(import, err, what);
}

/* The value as it was, also where it could not stand in a line. */
int import_get_value(
	struct import *import, const char **ret, size_t *ret_len, struct error *err)
{
	struct error why = { 0 };
	json_t *json;

	if (import->value == NULL) {
		if (import_get_base64(import, "base64", err) < 0)
			return -1;
		*ret = import->decoded.data;
		*ret_len = import->decoded.len;
		return 0;
	}
	json = json_parse(import->value, import->value_len, JSON_ALLOW_NUL, &why);
	if (json == NULL)
		return why.code == ERR_NO_MEMORY ? error_no_memory(err)
						 : import_wrong(import, err, why.text);
	json_decref(json);
	*ret = import->value;
	*ret_len = import->value_len;
	return 0;
}
