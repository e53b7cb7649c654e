/*
 * lmdb_check: is a ledger's file whole?
 *
 *	pages (trees, free list) ─► segments put together ─► seals ─► value(), damage, sums
 *
 * Two depths. *Quick*, at every opening: the trees and the free list, and the seals of all
 * that is small or stands on pages that are read anyway, and of input blocks up to QUICK_MAX
 * bytes. *Deep*, for `leat fsck`: every byte that holds something.
 *
 * Two kinds of finding. *Trouble* is with the file's structure, or a value that lies under a
 * key that is not its own: then nobody can tell what is missing, and the ledger must not be
 * opened. *Damage* is one value that cannot be read, and known by its key: everything else
 * can be served.
 *
 * Thread: one. Nobody may write meanwhile.
 */
#ifndef LEAT_LEDGER_LMDB_CHECK_H
#define LEAT_LEDGER_LMDB_CHECK_H

#include "ledger/lmdb_internal.h"

#define QUICK_MAX (256ull << 20)

struct lmdb_check {
	bool deep;
	/* What is wrong; any may be NULL. */
	void (*trouble)(void *arg, const char *text);
	void (*damage)(void *arg, const struct lmdb_damage *damage);
	/*
	 * A whole value as it was put in, in the order of the tables (enum lmdb_table) and
	 * keys; one whose key could be put right comes under that. False: end it.
	 */
	bool (*value)(void *arg, unsigned table, const struct lmdb_key *key, const void *bytes,
		size_t len);
	void *arg;

	/* What was found. */
	uint64_t format, flags;
	uint64_t values[TABLE_COUNT], bytes[TABLE_COUNT];
	uint64_t damaged;
	unsigned troubles;
	int read_error;         /* errno of a read that failed; 0: what was found is so */
	bool torn[TABLE_COUNT]; /* of these values may be missing without a trace */
	uint64_t file_bytes, transaction;
};

/* ERR_STORE: it cannot be read at all, or is of a newer leat. Findings are no error. */
int lmdb_check(const char *path, struct lmdb_check *check, struct error *err);

#endif
