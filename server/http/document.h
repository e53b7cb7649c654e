/*
 * document: a request body that is one JSON text and is kept whole, up to `body_max` bytes.
 *
 * An endpoint that wants one uses these three as its begin, body and end, and takes the text
 * in its finish. What is wrong with the body has been answered when document_take() is NULL.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_DOCUMENT_H
#define LEAT_HTTP_DOCUMENT_H

#include "http/request.h"

void document_begin(struct request *request);
bool document_body(struct request *request, const char *bytes, size_t len);
void document_end(struct request *request);
/* One JSON text: no key twice, no NUL, UTF-8, nothing behind it. Owner: the caller. */
json_t *document_take(struct request *request);
/* The same where no body at all means `{}`. */
json_t *document_take_or_empty(struct request *request);

#endif
