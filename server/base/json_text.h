/*
 * json_text: a tree as text, whole or not at all.
 *
 * jansson does not look at every result while it writes an object: where memory runs out for
 * a member's name, it leaves the name away and goes on, and calls that a success. What is
 * kept or sent must not be such a text, so everything that is written goes through here.
 *
 * Thread: any.
 */
#ifndef LEAT_BASE_JSON_TEXT_H
#define LEAT_BASE_JSON_TEXT_H

#include <jansson.h>

#include "base/buf.h"

/*
 * The flag with which every real of the tree is written in as few digits as may be, 0.003 and
 * not 0.0030000000000000001: 15 of them, or 17 where one of the reals needs more.
 */
size_t json_text_reals(const json_t *json);
/* As json_dumps(); NULL without memory, or for no tree. Owner: caller, by mem_free(). */
char *json_text(const json_t *json, size_t flags);
/* Append the text of a tree; -1 without memory, or for no tree: `to` holds what it held. */
int json_append_text(const json_t *json, size_t flags, struct buf *to);

#endif
