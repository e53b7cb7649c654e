/*
 * trace: the W3C Trace Context that a request came with (https://www.w3.org/TR/trace-context/).
 *
 *	00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *	version, trace id, id of the caller's span, flags
 *
 * We make no spans of our own: what came in is kept with the job and handed on as it is. What
 * is not as the standard wants it is as if it were not there; nobody is told.
 *
 * Thread: any.
 */
#ifndef LEAT_BASE_TRACE_H
#define LEAT_BASE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#define TRACE_TEXT_SIZE 56 /* with the NUL */
#define TRACE_ID_SIZE   33

/* Zeroed: none. Numbers, so that it stands in a job's record. */
struct trace {
	uint64_t id_high, id_low, parent;
	uint64_t flags;
};

static inline bool trace_is_set(const struct trace *trace)
{
	return (trace->id_high | trace->id_low) != 0;
}

/*
 * The value of a traceparent header. False, and *ret unchanged, when it is not valid: capital
 * letters, an id of zeros, version ff, a tail that its version does not allow. Of a version to
 * come the part that we know is taken.
 */
bool trace_parse(const char *text, struct trace *ret);
/* As version 00; "" when there is none. */
void trace_format(const struct trace *trace, char ret_text[static TRACE_TEXT_SIZE]);
/* The trace id alone, for logs; "" when there is none. */
void trace_id_format(const struct trace *trace, char ret_text[static TRACE_ID_SIZE]);

#endif
