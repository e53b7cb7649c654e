/*
 * range: a source of numbered items.
 *
 * The template is cut at its "$i" once, so that an item is put together by copying. The
 * cursor that is saved with what was emitted is the next number, in decimal.
 */
#include <errno.h>
#include <stdlib.h>

#include "stage.h"
#include "stage_slice.h"
#include "stage_write.h"

/* A run ends after so many bytes, whatever the room in items. */
#define RUN_BYTES (256 << 10)

struct range {
	int64_t from, to;
	const char *template;
	char *literal;   /* the pieces, one behind the other */
	size_t *lengths; /* of the pieces; a number stands between two */
	size_t pieces, item_max;
};

static const struct stage_param range_params[] = {
	{ "from", STAGE_INT, .def = "0", .doc = "the first number",
		.offset = offsetof(struct range, from) },
	{ "to", STAGE_INT, .required = 1, .doc = "the number behind the last one",
		.offset = offsetof(struct range, to) },
	{ "template", STAGE_JSON, .def = "\"$i\"",
		.doc = "the item: \"$i\" as a whole string is the number, $i inside one its digits",
		.offset = offsetof(struct range, template) },
	{ 0 },
};

/* ---- the template ---- */

/* Where the writing of the pieces stands. */
struct cut {
	struct range *range;
	char *to, *piece;
};

static void end_piece(struct cut *cut)
{
	cut->range->lengths[cut->range->pieces++] = (size_t)(cut->to - cut->piece);
	cut->piece = cut->to;
}

/* The text of a string, quotes included, cut at every $i. */
static void cut_string(struct cut *cut, const char *at, const char *end)
{
	while (at < end) {
		if (at[0] == '$' && at[1] == 'i') {
			end_piece(cut);
			at += 2;
		} else {
			*cut->to++ = *at++;
		}
	}
}

/* Does the number stand there by itself, as a value and not as a member's name? */
static bool is_number(const char *at, const char *end)
{
	return end - at == 4 && memcmp(at, "\"$i\"", 4) == 0 && *stage_skip_blanks(end) != ':';
}

static void cut_template(struct cut *cut)
{
	const char *at = cut->range->template, *end, *stop = at + strlen(at);

	while (at < stop) {
		if (*at != '"') {
			*cut->to++ = *at++;
			continue;
		}
		end = stage_skip_string(at + 1, stop);
		if (is_number(at, end))
			end_piece(cut);
		else
			cut_string(cut, at, end);
		at = end;
	}
	end_piece(cut);
}

static void range_close(void *instance, struct stage_ctx *ctx)
{
	struct range *range = instance;

	free(range->literal);
	free(range->lengths);
}

static enum stage_result range_open(void *instance, struct stage_ctx *ctx)
{
	struct range *range = instance;
	size_t len = strlen(range->template), marks = 1;
	struct cut cut = { .range = range };

	if (range->to < range->from)
		return stage_fail(ctx, STAGE_PERMANENT, "/to: must not be less than from");
	for (const char *at = range->template; *at != '\0'; at++)
		marks += *at == '$';
	range->literal = malloc(len + 1);
	range->lengths = malloc(marks * sizeof(range->lengths[0]));
	if (range->literal == NULL || range->lengths == NULL) {
		range_close(instance, ctx);
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	}
	cut.to = cut.piece = range->literal;
	cut_template(&cut);
	range->item_max = len + range->pieces * STAGE_INT_MAX;
	return STAGE_OK;
}

/* ---- run ---- */

/* Returns the item's length, 0 when there was no room. */
static size_t emit_number(const struct range *range, struct stage_ctx *ctx, int64_t number)
{
	char *to = stage_reserve(ctx, range->item_max), *at = to;
	const char *piece = range->literal;

	if (to == NULL)
		return 0;
	for (size_t i = 0; i < range->pieces; i++) {
		if (i > 0)
			at = stage_put_int(at, number);
		at = stage_put(at, piece, range->lengths[i]);
		piece += range->lengths[i];
	}
	if (stage_emit_reserved(ctx, (size_t)(at - to)) != STAGE_OK)
		return 0;
	return (size_t)(at - to);
}

static bool next_number(const struct range *range, struct stage_ctx *ctx, int64_t *ret)
{
	size_t len;
	const char *state = stage_state(ctx, &len);
	char digits[STAGE_INT_MAX + 1], *end;

	*ret = range->from;
	if (state == NULL)
		return true;
	if (len == 0 || len >= sizeof(digits))
		return false;
	memcpy(digits, state, len);
	digits[len] = '\0';
	errno = 0;
	*ret = strtoll(digits, &end, 10);
	return errno == 0 && *end == '\0' && *ret >= range->from && *ret <= range->to;
}

static enum stage_result range_run(void *instance, struct stage_ctx *ctx)
{
	const struct range *range = instance;
	size_t room = stage_room(ctx), bytes = 0, len;
	char state[STAGE_INT_MAX], *end;
	int64_t number;

	if (!next_number(range, ctx, &number))
		return stage_fail(ctx, STAGE_PERMANENT, "the saved cursor is damaged");
	if (number == range->to)
		return STAGE_END;
	for (; room > 0 && bytes < RUN_BYTES && number < range->to; room--, number++) {
		len = emit_number(range, ctx, number);
		if (len == 0)
			return STAGE_FAILED;
		bytes += len;
	}
	end = stage_put_int(state, number);
	return stage_state_set(ctx, state, (size_t)(end - state));
}

STAGE(.name = "range", .version = "1.0.0", .summary = "Make numbered items",
	.kind = STAGE_SOURCE, .threads = STAGE_SERIAL, .instance_size = sizeof(struct range),
	.params = range_params, .open = range_open, .close = range_close, .run = range_run);
