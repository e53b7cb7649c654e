/*
 * keeping_internal: what the files of keeping share.
 *
 *	keeping.c         check; who may look at a folder
 *	keeping_repair.c  what can be read into a new file
 *	keeping_copy.c    backup and compact: LMDB's own copy, then checked
 */
#ifndef LEAT_LEDGER_KEEPING_INTERNAL_H
#define LEAT_LEDGER_KEEPING_INTERNAL_H

#include "ledger/audit.h"
#include "ledger/keeping.h"
#include "ledger/lmdb_check.h"

#define PATH_SIZE 4096

/* "DIR/name"; ERR_STORE where that is too long. */
int keeping_path(
	const char *dir, const char *name, char ret[static PATH_SIZE], struct error *err);
/*
 * Look at a folder that has a ledger: the file descriptor that keeps others from writing, -2
 * where nobody can (a read-only folder), -1 with words.
 */
int keeping_look(const char *dir, struct error *err);
/* Take it for writing; the folder must be there. */
int keeping_take(const char *dir, struct error *err);

/* One check with its audit. */
struct examine {
	keeping_tell tell; /* may be NULL */
	void *arg;
	struct keeping_sums sums;
	struct audit *audit;
	bool no_memory;
	struct lmdb_check check;
};
int examine(const char *path, struct examine *examine, struct error *err);

/* fsync() a file or folder by name; an error in words. */
int keeping_sync(const char *path, struct error *err);

#endif
