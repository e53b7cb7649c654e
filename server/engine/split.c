#include "engine/split.h"

#include <string.h>

#include "base/mem.h"

#define BLANKS 64 /* behind a value of the greatest size that do not make it too long */

static const char bom[3] = { '\xef', '\xbb', '\xbf' };

void split_init(struct split *split, enum split_shape shape, size_t item_max)
{
	*split = (struct split){ .shape = shape, .item_max = item_max };
}

void split_init_csv(
	struct split *split, const struct stage_csv_options *options, size_t item_max)
{
	struct stage_csv_options bounded = *options;

	split_init(split, SPLIT_CSV, item_max);
	bounded.row_max = item_max;
	stage_csv_init(&split->csv, &bounded);
}

void split_done(struct split *split)
{
	if (split->shape == SPLIT_CSV)
		stage_csv_done(&split->csv);
	buf_done(&split->carry);
}

void split_feed(struct split *split, const char *bytes, size_t len)
{
	if (split->shape == SPLIT_CSV) {
		stage_csv_feed(&split->csv, bytes, len);
		return;
	}
	split->at = bytes;
	split->end = bytes + len;
	split->fed |= len > 0;
}

size_t split_rest(const struct split *split, const char **ret_bytes)
{
	const bool csv = split->shape == SPLIT_CSV;

	*ret_bytes = csv ? split->csv.at : split->at;
	return (size_t)((csv ? split->csv.end : split->end) - *ret_bytes);
}

void split_end(struct split *split)
{
	split->ended = true;
	split->csv.ended = true;
}

bool split_at_rest(const struct split *split)
{
	if (split->shape == SPLIT_CSV)
		return !split->csv.begun && !split->csv.skipping;
	return !split->skipping && (split->carry_given || split->carry.len == 0);
}

uint64_t split_lines(const struct split *split)
{
	return split->line;
}

uint64_t split_trailing_lines(const struct split *split)
{
	return split->line - split->told;
}

/* Number what is given out, and remember up to where the lines are accounted for. */
static void tell(struct split *split, struct split_item *ret)
{
	ret->line = ret->number = split->line;
	ret->lines = split->line - split->told;
	split->told = split->line;
}

static enum split_result give(
	struct split *split, struct split_item *ret, const char *bytes, size_t len)
{
	ret->bytes = bytes;
	ret->len = len;
	tell(split, ret);
	return SPLIT_ITEM;
}

static enum split_result too_long(struct split *split, struct split_item *ret)
{
	buf_done(&split->carry);
	tell(split, ret);
	ret->fatal = split->place == SPLIT_SINGLE;
	if (ret->fatal)
		split->place = SPLIT_BROKEN;
	error_set(&ret->err, ERR_ITEM_TOO_LARGE,
		"longer than the %zu bytes allowed for an item", split->item_max);
	return SPLIT_ERROR;
}

/* ---- one value a line ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_blank(const char *bytes, size_t len)
{
	while (len > 0 && is_space(bytes[len - 1]))
		len--;
	return len == 0;
}

/* With the mark and the CR that are no part of the item; what is longer is never kept. */
static size_t line_max(const struct split *split)
{
	return split->item_max + sizeof(bom) + 1;
}

/* A whole line without its LF. SPLIT_MORE: it was blank. */
static enum split_result whole_line(
	struct split *split, struct split_item *ret, const char *bytes, size_t len)
{
	split->line++;
	if (len > line_max(split))
		return too_long(split, ret);
	if (split->line == 1 && len >= sizeof(bom) && memcmp(bytes, bom, sizeof(bom)) == 0) {
		bytes += sizeof(bom);
		len -= sizeof(bom);
	}
	if (len > 0 && bytes[len - 1] == '\r')
		len--;
	if (len == 0 || (is_space(bytes[0]) && is_blank(bytes, len)))
		return SPLIT_MORE;
	if (len > split->item_max)
		return too_long(split, ret);
	return give(split, ret, bytes, len);
}

/* The piece ends inside a line: keep its beginning, up to the longest that can be right. */
static enum split_result part_of_line(struct split *split, struct split_item *ret)
{
	size_t len = (size_t)(split->end - split->at);

	if (split->carry.len + len > line_max(split)) {
		split->at = split->end;
		split->skipping = true;
		split->line++;
		return too_long(split, ret);
	}
	if (buf_append(&split->carry, split->at, len) < 0)
		return SPLIT_NOMEM;
	split->at = split->end;
	return SPLIT_MORE;
}

static enum split_result carried_line(struct split *split, struct split_item *ret)
{
	enum split_result result = whole_line(split, ret, split->carry.data, split->carry.len);

	if (result == SPLIT_ITEM)
		split->carry_given = true;
	else
		buf_clear(&split->carry);
	return result;
}

static enum split_result next_line(struct split *split, struct split_item *ret)
{
	enum split_result result = SPLIT_MORE;
	const char *from, *newline;

	while (result == SPLIT_MORE && split->at < split->end) {
		from = split->at;
		newline = memchr(from, '\n', (size_t)(split->end - from));
		if (split->skipping) {
			split->skipping = newline == NULL;
			split->at = newline == NULL ? split->end : newline + 1;
			continue;
		}
		if (newline == NULL)
			return part_of_line(split, ret);
		if (split->carry.len == 0) {
			split->at = newline + 1;
			result = whole_line(split, ret, from, (size_t)(newline - from));
			continue;
		}
		if (split->carry.len + (size_t)(newline - from) > line_max(split)) {
			split->at = newline + 1;
			split->line++;
			return too_long(split, ret);
		}
		if (buf_append(&split->carry, from, (size_t)(newline - from)) < 0)
			return SPLIT_NOMEM;
		split->at = newline + 1;
		result = carried_line(split, ret);
	}
	if (result == SPLIT_MORE && split->ended && split->carry.len > 0)
		return carried_line(split, ret);
	return result;
}

/* ---- a JSON array, or a single value ---- */

enum byte_class { PLAIN, QUOTE, BACKSLASH, OPEN, CLOSE, COMMA, EOL };

static const unsigned char classes[256] = {
	['"'] = QUOTE,
	['\\'] = BACKSLASH,
	['['] = OPEN,
	['{'] = OPEN,
	[']'] = CLOSE,
	['}'] = CLOSE,
	[','] = COMMA,
	['\n'] = EOL,
	['\r'] = EOL,
};

static void skip_space(struct split *split)
{
	while (split->at < split->end && is_space(*split->at))
		split->at++;
}

static enum split_result broken(
	struct split *split, struct split_item *ret, bool fatal, const char *what)
{
	tell(split, ret);
	ret->fatal = fatal;
	if (fatal)
		split->place = SPLIT_BROKEN;
	error_set(&ret->err, ERR_ITEM_INVALID, "%s", what);
	return SPLIT_ERROR;
}

/* Where the string ends that we are in: behind its quote, or `end`. */
static const char *string_end(struct split *split, const char *at, const char *end)
{
	for (; at < end; at++) {
		if (split->escaped) {
			split->escaped = false;
		} else if (*at == '\\') {
			split->escaped = true;
		} else if (*at == '"') {
			split->in_string = false;
			return at + 1;
		}
	}
	return end;
}

/*
 * Walk on to the end of the value, or of the piece. Raw line ends between tokens are white
 * space to JSON, but an item is one line: they are kept as blanks.
 */
static const char *value_end(struct split *split, bool *ret_ended, bool *ret_at_eol)
{
	const char *at = split->at, *end = split->end;

	*ret_ended = *ret_at_eol = false;
	while (at < end) {
		if (split->in_string) {
			at = string_end(split, at, end);
			continue;
		}
		switch (classes[(unsigned char)*at]) {
		case QUOTE:
			split->in_string = true;
			break;
		case OPEN:
			split->depth++;
			break;
		case COMMA:
		case CLOSE:
			if (split->depth == 0 && *at != '}' && split->place == SPLIT_ARRAY) {
				*ret_ended = true;
				return at;
			}
			if (*at != ',' && split->depth > 0)
				split->depth--;
			break;
		case EOL:
			*ret_at_eol = true;
			return at;
		default:
			break;
		}
		at++;
	}
	return end;
}

/* SPLIT_ITEM: the value under way stands whole in the carry. */
static enum split_result read_value(struct split *split, struct split_item *ret)
{
	bool ended = false, at_eol;
	const char *stop;
	size_t len;

	while (!ended && split->at < split->end) {
		stop = value_end(split, &ended, &at_eol);
		len = (size_t)(stop - split->at);
		if (!split->skipping &&
			split->carry.len + len + at_eol > split->item_max + BLANKS) {
			split->skipping = true;
			split->at = stop + at_eol;
			return too_long(split, ret);
		}
		if (!split->skipping && (buf_append(&split->carry, split->at, len) < 0 ||
						buf_append(&split->carry, " ", at_eol) < 0))
			return SPLIT_NOMEM;
		split->at = stop + at_eol;
	}
	return ended ? SPLIT_ITEM : SPLIT_MORE;
}

static enum split_result give_carry(struct split *split, struct split_item *ret)
{
	while (split->carry.len > 0 && is_space(split->carry.data[split->carry.len - 1]))
		split->carry.len--;
	if (split->carry.len > split->item_max)
		return too_long(split, ret);
	split->carry_given = true;
	return give(split, ret, split->carry.data, split->carry.len);
}

/* At a comma or closing bracket where a value should begin. */
static enum split_result no_element(struct split *split, struct split_item *ret, bool closes)
{
	bool missing = !closes || split->after_comma;

	split->at++;
	split->after_comma = true;
	if (closes)
		split->place = SPLIT_BEHIND;
	if (!missing)
		return SPLIT_MORE;
	split->line++;
	return broken(split, ret, false, "an element of the array is missing next to a comma");
}

static enum split_result next_element(struct split *split, struct split_item *ret)
{
	enum split_result result;
	bool skipped;

	if (!split->begun) {
		skip_space(split);
		if (split->at == split->end)
			return SPLIT_MORE;
		if (*split->at == ',' || *split->at == ']')
			return no_element(split, ret, *split->at == ']');
		split->begun = true;
		split->line++;
	}
	result = read_value(split, ret);
	if (result != SPLIT_ITEM)
		return result;
	skipped = split->skipping;
	split->begun = split->skipping = false;
	split->after_comma = true;
	if (*split->at++ == ']')
		split->place = SPLIT_BEHIND;
	return skipped ? SPLIT_MORE : give_carry(split, ret);
}

/* The first byte that is neither white space nor the mark tells an array from a value. */
static void look_at_front(struct split *split)
{
	skip_space(split);
	while (split->at < split->end && split->bom < sizeof(bom) &&
		*split->at == bom[split->bom]) {
		split->at++;
		split->bom++;
		skip_space(split);
	}
	if (split->at == split->end)
		return;
	if (*split->at == '[') {
		split->at++;
		split->place = SPLIT_ARRAY;
	} else {
		split->line = 1;
		split->place = SPLIT_SINGLE;
	}
}

static enum split_result next_behind(struct split *split, struct split_item *ret)
{
	skip_space(split);
	if (split->at == split->end)
		return SPLIT_MORE;
	return broken(split, ret, true, "there is something behind the end of the array");
}

static enum split_result next_at_end(struct split *split, struct split_item *ret)
{
	enum split_result result;

	if (split->place == SPLIT_ARRAY)
		return broken(split, ret, true, "the array does not end: a ']' is missing");
	if (split->place == SPLIT_FRONT && split->fed) {
		split->line = 1;
		return broken(split, ret, true, "there is no JSON value in the body");
	}
	if (split->place != SPLIT_SINGLE)
		return SPLIT_MORE;
	result = give_carry(split, ret);
	if (result == SPLIT_ITEM)
		split->place = SPLIT_BEHIND;
	return result;
}

static enum split_result next_value(struct split *split, struct split_item *ret)
{
	enum split_result result = SPLIT_MORE;

	if (split->place == SPLIT_FRONT)
		look_at_front(split);
	while (result == SPLIT_MORE && split->at < split->end) {
		if (split->place == SPLIT_SINGLE)
			result = read_value(split, ret);
		else if (split->place == SPLIT_ARRAY)
			result = next_element(split, ret);
		else if (split->place == SPLIT_BEHIND)
			result = next_behind(split, ret);
		else
			split->at = split->end;
	}
	return result == SPLIT_MORE && split->ended ? next_at_end(split, ret) : result;
}

/* ---- CSV ---- */

static enum split_result next_row(struct split *split, struct split_item *ret)
{
	struct stage_csv_row row;

	switch (stage_csv_next(&split->csv, &row)) {
	case STAGE_CSV_MORE:
		return SPLIT_MORE;
	case STAGE_CSV_NOMEM:
		return SPLIT_NOMEM;
	case STAGE_CSV_ERROR:
		error_set(&ret->err, row.too_long ? ERR_ITEM_TOO_LARGE : ERR_ITEM_INVALID, "%s",
			row.error);
		ret->fatal = row.fatal;
		break;
	case STAGE_CSV_ROW:
		break;
	}
	split->line = split->csv.rows;
	ret->bytes = row.json;
	ret->len = row.len;
	tell(split, ret);
	ret->line = row.line;
	return row.json != NULL ? SPLIT_ITEM : SPLIT_ERROR;
}

enum split_result split_next(struct split *split, struct split_item *ret)
{
	ret->fatal = false;
	if (split->shape == SPLIT_CSV)
		return next_row(split, ret);
	if (split->carry_given) {
		buf_clear(&split->carry);
		split->carry_given = false;
	}
	return split->shape == SPLIT_LINES ? next_line(split, ret) : next_value(split, ret);
}
