/*
 * problem: a reply that is none of the good ones, for a person.
 *
 *	leat submit: 2 mistakes in the job definition
 *	  /stages/0/use: there is no stage 'sha265'; did you mean 'sha256'?
 *	  /stages/1/worker: there is no such field; did you mean 'workers'?
 *
 * Thread: any.
 */
#ifndef LEAT_CLIENT_PROBLEM_H
#define LEAT_CLIENT_PROBLEM_H

#include <jansson.h>

#include "client/remote.h"

/* Lines, the last one without its end. `first_line` is added to line numbers of an upload. */
int problem_text(const struct remote *remote, const struct remote_reply *reply,
	uint64_t first_line, struct buf *to);
/* Its slug, as in "input-closed", or "". `ret` is filled with the whole problem, if it is one.
 */
const char *problem_slug(const json_t *problem);
json_t *problem_parse(const struct remote_reply *reply);

/* May the same request be answered better later? Too busy, shutting down, disk full. */
bool problem_may_pass(const struct remote_reply *reply);
/* Is the person who asked the one who can put it right? Else it is the server's state. */
bool problem_is_mistake(const struct remote_reply *reply);

#endif
