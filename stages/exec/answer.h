/*
 * answer: a line that a program wrote, and what it says of which item.
 *
 * plain: a JSON text is what the oldest item became, an empty line that it is filtered out.
 * framed: {"item":"j_…/12","emit":[…]}, {"item":"…","error":"…","transient":true}, {"log":"…"}.
 *
 * Numbers stay as they were written: nothing is rounded on the way through.
 */
#ifndef LEAT_EXEC_ANSWER_H
#define LEAT_EXEC_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

#include "stage.h"

enum answer_kind {
	ANSWER_BAD,  /* `text` says why */
	ANSWER_EMIT, /* of `item`; answer_emit() emits it */
	ANSWER_FAIL, /* with `text` */
	ANSWER_LOG,  /* `text` */
};

struct answer {
	enum answer_kind kind;
	const char *item; /* framed */
	size_t item_len;
	const char *text;
	bool transient;

	const char *line; /* plain */
	size_t len;
	yyjson_val *emit; /* framed */
	yyjson_doc *doc;
};

/* Borrowed: the line, as long as the answer. */
void answer_read(struct answer *answer, bool framed, const char *line, size_t len);
void answer_done(struct answer *answer);
enum stage_result answer_emit(const struct answer *answer, struct stage_ctx *ctx);

#endif
