/*
 * audit: does every job have what its record says? Fed with the whole values of a ledger, in
 * the order of tables and keys, as lmdb_check() hands them on.
 *
 * For a job that is not over: input without an outcome must be as many items as its record
 * counts (a lost list of finished items would make some run twice, a lost block would let
 * the job wait for ever). For results: their numbers have no gap, up to the record's count.
 *
 * Thread: one.
 */
#ifndef LEAT_LEDGER_AUDIT_H
#define LEAT_LEDGER_AUDIT_H

#include "ledger/keeping.h"
#include "ledger/lmdb_internal.h"

/* In the `error` of a job that a repair has found incomplete: that it is, is no news. */
#define AUDIT_KNOWN "the ledger was damaged and repaired"

struct audit;

int audit_new(struct audit **ret, struct error *err);
void audit_free(struct audit *audit);
/* -1 without memory. */
int audit_value(struct audit *audit, unsigned table, const struct lmdb_key *key,
	const void *bytes, size_t len);
/* A value of the job is known to be lost. */
void audit_lost(struct audit *audit, const struct id *id);
/*
 * Afterwards: every job that has lost something, and what. Of a table that is `torn` (by enum
 * lmdb_table) values may be missing that nobody has seen: a job that may have had one there,
 * and needs it, has lost it.
 */
void audit_end(
	struct audit *audit, const bool torn[static TABLE_COUNT], keeping_tell tell, void *arg);
bool audit_has_job(const struct audit *audit, const struct id *job);

#endif
