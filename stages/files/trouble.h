/*
 * trouble: what is wrong with a file, on its way to whoever decides whether that is the end of
 * the job.
 */
#ifndef FILES_TROUBLE_H
#define FILES_TROUBLE_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "stage.h"

/* The server has no descriptor left: no fault of any file, nor of the job. It waits. */
#define TROUBLE_SHORTAGE ((enum stage_failure)2)

struct trouble {
	enum stage_failure kind;
	char text[300];
};

/* Returns -1, so that `return trouble_set(…)` is the whole path. */
__attribute__((format(printf, 3, 4))) static inline int trouble_set(
	struct trouble *trouble, enum stage_failure kind, const char *format, ...)
{
	va_list args;

	trouble->kind = kind;
	va_start(args, format);
	vsnprintf(trouble->text, sizeof(trouble->text), format, args);
	va_end(args);
	return -1;
}

/* What may be over in a moment: want of memory, a device that does not answer.
 */
static inline enum stage_failure trouble_kind(int err)
{
	switch (err) {
	case EMFILE:
	case ENFILE:
		return TROUBLE_SHORTAGE;
	case EIO:
	case ENOMEM:
	case ETIMEDOUT:
	case ESTALE:
	case EAGAIN:
		return STAGE_TRANSIENT;
	default:
		return STAGE_PERMANENT;
	}
}

static inline int trouble_memory(struct trouble *trouble)
{
	return trouble_set(trouble, STAGE_TRANSIENT, "out of memory");
}

#endif
