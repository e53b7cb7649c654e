/*
 * stage_jansson: an item as a json_t, for stages that value comfort over speed.
 *
 *	json_auto_t *item = stage_input_json(ctx);
 *
 *	if (item == NULL)
 *		return STAGE_FAILED;
 *	json_object_set_new(item, "seen", json_true());
 *	return stage_emit_json(ctx, item);
 *
 * jansson's whole numbers have 64 bits with a sign; an item with a greater one is refused.
 * Before 2.15 it writes decimals with 17 digits: 19.99 becomes 19.989999999999998, the same
 * number.
 */
#ifndef LEAT_STAGE_JANSSON_H
#define LEAT_STAGE_JANSSON_H

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"

/* The item is JSON: what else jansson stumbles over is a want of memory, which may pass. */
static inline enum stage_failure stage_json_failure(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_numeric_overflow:
	case json_error_stack_overflow:
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return STAGE_PERMANENT;
	default:
		return STAGE_TRANSIENT;
	}
}

/* A new tree, the caller's; NULL when the item has failed. */
static inline json_t *stage_input_json(struct stage_ctx *ctx)
{
	size_t len;
	const char *text = stage_input(ctx, &len);
	json_error_t error;
	json_t *json = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

	if (json == NULL)
		stage_fail(ctx, stage_json_failure(&error), "the item cannot be read: %s",
			error.text);
	return json;
}

struct stage_json_text {
	char *bytes;
	size_t len, room;
	int failed; /* jansson itself does not look at every result */
};

/* Called by jansson with the next piece of a text. */
static inline int stage_json_append(const char *bytes, size_t len, void *arg)
{
	struct stage_json_text *text = (struct stage_json_text *)arg;

	if (len > text->room - text->len) {
		size_t room = 2 * (text->len + len) + 256;
		char *grown = (char *)realloc(text->bytes, room);

		if (grown == NULL) {
			text->failed = 1;
			return -1;
		}
		text->bytes = grown;
		text->room = room;
	}
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
	return 0;
}

/* Emit a tree, which stays the caller's. */
static inline enum stage_result stage_emit_json(struct stage_ctx *ctx, const json_t *json)
{
	const size_t flags = JSON_ENCODE_ANY | JSON_COMPACT;
	struct stage_json_text text = { NULL, 0, 0, 0 };
	enum stage_result result;

	if (json_dump_callback(json, stage_json_append, &text, flags) < 0 || text.failed)
		result = stage_fail(ctx, STAGE_TRANSIENT, "no memory to write the item");
	else
		result = stage_emit(ctx, text.bytes, text.len);
	free(text.bytes);
	return result;
}

#endif
