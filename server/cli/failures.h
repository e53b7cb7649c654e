/*
 * failures: failed items as a person reads them, or as the API would show them.
 *
 *	failed item 17 (line 18) at sha256 after 3 attempts: no string field 'text'
 *	{"item":17,"where":"line 18","stage":"sha256","attempts":3,
 *	 "kind":"permanent","error":…,"input":…}     (one line)
 *
 * Thread: any.
 */
#ifndef LEAT_CLI_FAILURES_H
#define LEAT_CLI_FAILURES_H

#include "base/buf.h"
#include "engine/reader.h"

/* `where` is "line 18", or "" when it is not known. ERR_NO_MEMORY only. */
int failure_to_text(const struct failure_view *failure, const char *stage, const char *where,
	struct buf *to);
int failure_to_json(const struct failure_view *failure, const char *stage, const char *where,
	struct buf *to);

#endif
