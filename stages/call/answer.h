/*
 * answer: a response as JSON: {"status":200,"headers":{"content-type":"…"},"body":…}, or its
 * body alone.
 */
#ifndef LEAT_CALL_ANSWER_H
#define LEAT_CALL_ANSWER_H

#include "call/exchange.h"

enum answer_parse {
	ANSWER_AUTO, /* JSON if the response says that it is, else a string */
	ANSWER_JSON,
	ANSWER_TEXT,
};

/* -1: the body is not what it should be, or there is no memory; *ret says it. */
int answer_put_body(const struct exchange *exchange, enum answer_parse parse,
	struct stage_text *to, struct exchange_failure *ret);
/* All of it. */
int answer_put(const struct exchange *exchange, enum answer_parse parse, struct stage_text *to,
	struct exchange_failure *ret);

#endif
