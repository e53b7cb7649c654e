/*
 * problem: an error as a client gets it, application/problem+json (RFC 9457).
 *
 * Members stand in this order: type, title, status, detail, instance, what the request adds (an
 * upload says what it has taken), and errors, unless what was added has them already.
 *
 * Thread: any.
 */
#ifndef LEAT_HTTP_PROBLEM_H
#define LEAT_HTTP_PROBLEM_H

#include <jansson.h>

#include "base/error.h"
#include "job/definition.h"

#define PROBLEM_TYPE "application/problem+json"

/*
 * `mistakes` (may be NULL, or empty) become `errors`. `extra` (may be NULL; taken) is an object
 * whose members are appended. NULL without memory.
 */
json_t *problem_to_json(const struct error *error, const char *instance,
	const struct mistakes *mistakes, json_t *extra);

#endif
