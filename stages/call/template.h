/*
 * template: a text with places for what an item holds.
 *
 *	{/a/b}		what that JSON pointer finds in the item
 *	{}		the whole item
 *	{$secret:NAME}	a secret of the operator's (call/secrets.h)
 *	{{		a brace
 *
 * How a value is written depends on where it stands: percent-encoded in a URL (or checked to
 * be no more than a name, in its host), without control characters in a header, as JSON in a
 * JSON body. So no value can become part of what stands around it.
 *
 * Pure: no stage, no network.
 */
#ifndef LEAT_CALL_TEMPLATE_H
#define LEAT_CALL_TEMPLATE_H

#include "call/secrets.h"
#include "call/text.h"
#include "stage_slice.h"

enum template_how {
	TEMPLATE_TEXT,   /* as it is */
	TEMPLATE_URL,    /* percent-encoded */
	TEMPLATE_HEADER, /* as it is, but one line */
	TEMPLATE_JSON,   /* the value's JSON */
	TEMPLATE_STRING, /* escaped, inside of a JSON string */
};

struct template_piece {
	enum template_how how;
	char *text; /* what is written, or the pointer, or the secret's name */
	size_t len;
	bool is_value;
	struct stage_path path;
	const struct secret *secret;
};

struct template
{
	struct template_piece *pieces;
	size_t count, capacity;
	bool has_values, has_secrets;
};

/* Why a template is refused, or a value is. */
struct template_why {
	bool no_memory;
	char text[200];
};

/* secrets NULL: none are allowed here. -1: *why says what is wrong, and there is no template.
 */
int template_parse(struct template *template, const char *text, size_t len,
	enum template_how how, const struct secrets *secrets, struct template_why *why);
/* Of a JSON text: its strings are templates; one that is nothing but {/pointer} becomes the
 * value itself, of any type. */
int template_parse_json(struct template *template, const char *json, size_t len,
	const struct secrets *secrets, struct template_why *why);
void template_done(struct template *template);

/* Write it for an item, behind what stands in `out`, which for a URL must be empty. -1: *why
 * says which value is missing or wrong. */
int template_write(const struct template *template, struct stage_slice item,
	struct stage_text *out, struct template_why *why);

#endif
