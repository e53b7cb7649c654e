/*
 * stage_slice: values of an item as slices of its own bytes.
 *
 * The engine hands a stage valid JSON on one line. To find a field, no tree is needed: a scan
 * that only knows strings and brackets gives back where the value stands, and copying it
 * keeps every digit of a number and every escape of a string as the client wrote them.
 *
 *	struct stage_slice price = stage_slice_find(stage_slice_input(ctx), &self->price);
 *
 * Slices point into the item and live as long as it does. Where an object has a name twice,
 * the first one counts. Valid JSON is a precondition: nothing here checks it again.
 */
#ifndef LEAT_STAGE_SLICE_H
#define LEAT_STAGE_SLICE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"

/* `at` is NULL when there is no such value; else the value's text, without blanks around. */
struct stage_slice {
	const char *at;
	size_t len;
};

/* ---- walking ---- */

static inline bool stage_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline const char *stage_skip_blanks(const char *at)
{
	while (stage_is_blank(*at))
		at++;
	return at;
}

/*
 * Eight bytes at once: a word whose high bits tell, from the lowest up, which of its bytes are
 * `c`. Above the first one it may lie, so only the first counts.
 */
static inline uint64_t stage_bytes_equal_(uint64_t word, char c)
{
	uint64_t zero_there = word ^ 0x0101010101010101u * (unsigned char)c;

	return (zero_there - 0x0101010101010101u) & ~zero_there & 0x8080808080808080u;
}

static inline uint64_t stage_load8_(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* From behind the opening quote to behind the closing one. */
static inline const char *stage_skip_string(const char *at, const char *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	while (end - at >= 8) {
		uint64_t word = stage_load8_(at);
		uint64_t hits = stage_bytes_equal_(word, '"') | stage_bytes_equal_(word, '\\');

		if (hits == 0) {
			at += 8;
			continue;
		}
		at += __builtin_ctzll(hits) / 8;
		if (*at == '"')
			return at + 1;
		at += 2;
	}
#endif
	while (at < end && *at != '"')
		at += 1 + (*at == '\\');
	return at + 1;
}

/* To the next quote or bracket. */
static inline const char *stage_skip_plain_(const char *at, const char *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	while (end - at >= 8) {
		uint64_t word = stage_load8_(at);
		uint64_t folded = word | 0x2020202020202020u; /* [ is { then, and ] is } */
		uint64_t hits = stage_bytes_equal_(word, '"') |
				stage_bytes_equal_(folded, '{') |
				stage_bytes_equal_(folded, '}');

		if (hits != 0)
			return at + __builtin_ctzll(hits) / 8;
		at += 8;
	}
#endif
	while (*at != '"' && (*at | 0x20) != '{' && (*at | 0x20) != '}')
		at++;
	return at;
}

/* From the opening bracket to behind the closing one. */
static inline const char *stage_skip_nested(const char *at, const char *end)
{
	size_t depth = 0;

	for (;;) {
		at = stage_skip_plain_(at, end);
		if (*at == '"') {
			at = stage_skip_string(at + 1, end);
			continue;
		}
		depth += (*at++ | 0x20) == '{' ? (size_t)1 : (size_t)-1;
		if (depth == 0)
			return at;
	}
}

static inline const char *stage_skip_value(const char *at, const char *end)
{
	if (*at == '"')
		return stage_skip_string(at + 1, end);
	if (*at == '{' || *at == '[')
		return stage_skip_nested(at, end);
	while (at < end && *at != ',' && *at != '}' && *at != ']' && !stage_is_blank(*at))
		at++;
	return at;
}

/* The item. */
static inline struct stage_slice stage_slice_input(struct stage_ctx *ctx)
{
	size_t len;
	const char *at = stage_input(ctx, &len), *begin = stage_skip_blanks(at);

	len -= (size_t)(begin - at);
	while (len > 0 && stage_is_blank(begin[len - 1]))
		len--;
	return (struct stage_slice){ begin, len };
}

/* Where a walk through an object or array stands. */
struct stage_walk {
	const char *at, *end;
};

/* False when the value is not a container with that opening bracket. */
static inline bool stage_walk_open(
	struct stage_walk *walk, struct stage_slice value, char bracket)
{
	if (value.at == NULL || *value.at != bracket)
		return false;
	walk->at = value.at + 1;
	walk->end = value.at + value.len;
	return true;
}

/* The next element; false behind the last. */
static inline bool stage_walk_element(struct stage_walk *walk, struct stage_slice *ret_value)
{
	const char *at = stage_skip_blanks(walk->at);

	if (*at == ',')
		at = stage_skip_blanks(at + 1);
	if (*at == ']' || *at == '}')
		return false;
	walk->at = stage_skip_value(at, walk->end);
	*ret_value = (struct stage_slice){ at, (size_t)(walk->at - at) };
	return true;
}

/* The next member; its name is as written, quotes included. */
static inline bool stage_walk_member(
	struct stage_walk *walk, struct stage_slice *ret_name, struct stage_slice *ret_value)
{
	const char *at;

	if (!stage_walk_element(walk, ret_name))
		return false;
	at = stage_skip_blanks(stage_skip_blanks(walk->at) + 1);
	walk->at = stage_skip_value(at, walk->end);
	*ret_value = (struct stage_slice){ at, (size_t)(walk->at - at) };
	return true;
}

/* ---- strings ---- */

static inline unsigned stage_hex4_(const char *at)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)at[i];

		value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

/* Write a code point as UTF-8; a lone surrogate, which no checked item has, as U+FFFD. */
static inline char *stage_put_utf8_(char *to, unsigned code)
{
	if (code >= 0xd800 && code < 0xe000)
		code = 0xfffd;
	if (code < 0x80) {
		*to++ = (char)code;
		return to;
	}
	if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*to++ = (char)(0xe0 | code >> 12);
		} else {
			*to++ = (char)(0xf0 | code >> 18);
			*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (code & 0x3f));
	return to;
}

/* One escape, from behind its backslash; moves *at behind it. */
static inline char *stage_put_escape_(char *to, const char **at)
{
	static const char from[] = "bfnrt", into[] = "\b\f\n\r\t";
	char c = *(*at)++;
	const char *known;
	unsigned code;

	if (c != 'u') {
		known = strchr(from, c);
		*to++ = known != NULL ? into[known - from] : c;
		return to;
	}
	code = stage_hex4_(*at);
	*at += 4;
	if (code >= 0xd800 && code < 0xdc00 && (*at)[0] == '\\' && (*at)[1] == 'u') {
		code = 0x10000 + ((code - 0xd800) << 10) + (stage_hex4_(*at + 2) - 0xdc00);
		*at += 6;
	}
	return stage_put_utf8_(to, code);
}

static inline bool stage_slice_is_string(struct stage_slice value)
{
	return value.at != NULL && *value.at == '"';
}

/* Does a string (quotes included) hold escapes? */
static inline bool stage_slice_has_escapes(struct stage_slice string)
{
	return memchr(string.at, '\\', string.len) != NULL;
}

/* The text of a string with a NUL behind it; `to` has room for string.len bytes. Returns the
 * length. */
static inline size_t stage_slice_unescape(struct stage_slice string, char *to)
{
	const char *at = string.at + 1, *end = string.at + string.len - 1;
	char *begin = to;

	while (at < end) {
		const char *stop = memchr(at, '\\', (size_t)(end - at));
		size_t plain = (size_t)((stop != NULL ? stop : end) - at);

		memcpy(to, at, plain);
		to += plain;
		at += plain;
		if (stop != NULL) {
			at++;
			to = stage_put_escape_(to, &at);
		}
	}
	*to = '\0';
	return (size_t)(to - begin);
}

/* The text of a string: a slice of it, or of scratch memory where it has escapes. `at` is
 * NULL without memory. Do not count on a NUL behind it. */
static inline struct stage_slice stage_slice_text(
	struct stage_ctx *ctx, struct stage_slice string)
{
	char *copy;

	if (!stage_slice_has_escapes(string))
		return (struct stage_slice){ string.at + 1, string.len - 2 };
	copy = stage_scratch(ctx, string.len);
	if (copy == NULL)
		return (struct stage_slice){ NULL, 0 };
	return (struct stage_slice){ copy, stage_slice_unescape(string, copy) };
}

/* Is the string (quotes included) this text? */
static inline bool stage_slice_is(struct stage_slice string, const char *text, size_t len)
{
	char *copy;
	bool same;

	if (string.len == len + 2 && memcmp(string.at + 1, text, len) == 0)
		return memchr(text, '\\', len) == NULL;
	if (string.len < len + 2 || !stage_slice_has_escapes(string))
		return false;
	copy = malloc(string.len + 1); /* rare: somebody escapes what needs no escape */
	if (copy == NULL)
		return false;
	same = stage_slice_unescape(string, copy) == len && memcmp(copy, text, len) == 0;
	free(copy);
	return same;
}

/* ---- pointers ---- */

struct stage_token {
	char *name;
	size_t len;
	size_t index; /* SIZE_MAX: not an index */
};

/* A JSON pointer, split once at open. */
struct stage_path {
	struct stage_token *tokens;
	size_t depth;
};

static inline size_t stage_token_index_(const char *name, size_t len)
{
	size_t index = 0;

	if (len == 0 || len > 18 || (len > 1 && name[0] == '0'))
		return SIZE_MAX;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return SIZE_MAX;
		index = index * 10 + (size_t)(name[i] - '0');
	}
	return index;
}

/* One reference token with ~0 and ~1 undone; moves *at to the next slash or the end. */
static inline bool stage_token_init_(struct stage_token *token, const char **at)
{
	size_t len = strcspn(*at, "/");

	token->name = malloc(len + 1);
	if (token->name == NULL)
		return false;
	token->len = 0;
	for (const char *end = *at + len; *at < end; (*at)++) {
		char c = **at;

		if (c == '~' && *at + 1 < end)
			c = *++*at == '1' ? '/' : '~';
		token->name[token->len++] = c;
	}
	token->name[token->len] = '\0';
	token->index = stage_token_index_(token->name, token->len);
	return true;
}

static inline void stage_path_done(struct stage_path *path)
{
	for (size_t i = 0; i < path->depth; i++)
		free(path->tokens[i].name);
	free(path->tokens);
	path->tokens = NULL;
	path->depth = 0;
}

/* `pointer` is "" or begins with a slash, as a STAGE_POINTER parameter always does. False
 * without memory; stage_path_done() is right in any case. */
static inline bool stage_path_init(struct stage_path *path, const char *pointer)
{
	size_t count = 0;

	for (const char *at = pointer; *at != '\0'; at++)
		count += *at == '/';
	path->depth = 0;
	path->tokens = malloc((count + 1) * sizeof(path->tokens[0]));
	if (path->tokens == NULL)
		return false;
	while (*pointer == '/') {
		pointer++;
		if (!stage_token_init_(&path->tokens[path->depth], &pointer))
			return false;
		path->depth++;
	}
	return true;
}

static inline bool stage_token_is(const struct stage_token *token, struct stage_slice name)
{
	return stage_slice_is(name, token->name, token->len);
}

/* The member or element that `token` names; `at` is NULL when there is none. */
static inline struct stage_slice stage_slice_child(
	struct stage_slice value, const struct stage_token *token)
{
	struct stage_slice name, child;
	struct stage_walk walk;
	size_t left = token->index;

	if (stage_walk_open(&walk, value, '{')) {
		while (stage_walk_member(&walk, &name, &child))
			if (stage_token_is(token, name))
				return child;
	} else if (left != SIZE_MAX && stage_walk_open(&walk, value, '[')) {
		while (stage_walk_element(&walk, &child))
			if (left-- == 0)
				return child;
	}
	return (struct stage_slice){ NULL, 0 };
}

/* The member of that name, for stages that know it when they are written. */
static inline struct stage_slice stage_slice_member(struct stage_slice object, const char *name)
{
	struct stage_token token = { (char *)(uintptr_t)name, strlen(name), SIZE_MAX };

	return stage_slice_child(object, &token);
}

/* From the token with number `from` on. */
static inline struct stage_slice stage_slice_descend(
	struct stage_slice value, const struct stage_path *path, size_t from)
{
	for (size_t i = from; i < path->depth && value.at != NULL; i++)
		value = stage_slice_child(value, &path->tokens[i]);
	return value;
}

static inline struct stage_slice stage_slice_find(
	struct stage_slice root, const struct stage_path *path)
{
	return stage_slice_descend(root, path, 0);
}

#endif
