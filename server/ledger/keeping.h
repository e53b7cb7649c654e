/*
 * keeping: what is done to a data folder as a whole.
 *
 *	check     is it whole? What is damaged?                  nothing is changed
 *	repair    what can be read, in a new file                the old one is put aside
 *	compact   the same content without the room between      the old one is gone
 *	backup    a copy elsewhere, also while a server runs     then checked
 *	export    all of it as NDJSON, import takes it back
 *
 * A file takes another's place by one rename(), after all of it is on disk: SIGKILL at any
 * moment leaves the one or the other. What is half written is called data.mdb.part, and a
 * folder that has only that is refused by everybody.
 *
 * Thread: one; for processes that have no engine.
 */
#ifndef LEAT_LEDGER_KEEPING_H
#define LEAT_LEDGER_KEEPING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/id.h"

enum finding {
	FINDING_TROUBLE, /* the file's structure: it must not be opened as it is */
	FINDING_DAMAGE,  /* one value cannot be read */
	FINDING_LOSS,    /* a job does not have what its record says */
};
/* `job` is NULL where no job is known. */
typedef void (*keeping_tell)(
	void *arg, enum finding finding, const struct id *job, const char *text);

struct keeping_sums {
	uint64_t format, file_bytes;
	uint64_t jobs, inputs, results, failures, keys; /* blocks of input and results */
	uint64_t troubles, damaged, losses;
};

/*
 * Errors of all: ERR_STORE in words (in use by another leat, of a newer one, cannot be read,
 * no such folder), ERR_DISK_FULL, ERR_NO_MEMORY.
 */
int keeping_check(const char *dir, keeping_tell tell, void *arg, struct keeping_sums *ret,
	struct error *err);
/*
 * `ret` are sums of what was found before; what was saved is checked again. The damaged file
 * stays in the folder as `ret_aside` says, which is "" where there was nothing to do.
 */
#define ASIDE_SIZE 64
int keeping_repair(const char *dir, keeping_tell tell, void *arg, struct keeping_sums *ret,
	char ret_aside[static ASIDE_SIZE], struct error *err);
int keeping_compact(
	const char *dir, uint64_t *ret_before, uint64_t *ret_after, struct error *err);
/* `to` is made; it must not hold a ledger. */
int keeping_backup(
	const char *dir, const char *to, struct keeping_sums *ret, struct error *err);

/*
 * Everything as NDJSON, a first line that says what it is and a last one that counts them:
 * keeping_export.c shows the lines. What is damaged is told and left out. ERR_STORE too where
 * the stream cannot be written.
 */
int keeping_export(const char *dir, FILE *to, keeping_tell tell, void *arg,
	struct keeping_sums *ret, struct error *err);
/*
 * Back into a folder, which may hold other jobs; ids are kept, and one that is there already
 * is refused. Until the last line was taken the jobs are marked as being erased: whatever
 * ends it in the middle, the next start finds none of them. ERR_BAD_REQUEST: a line is wrong.
 */
int keeping_import(const char *dir, FILE *from, uint64_t *ret_jobs, struct error *err);

#endif
