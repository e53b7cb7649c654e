/*
 * memory_internal: what the two halves of the ledger in memory share.
 *
 * ledger_memory.c writes, memory_read.c reads; memory_table.h holds the values.
 */
#ifndef LEAT_LEDGER_MEMORY_INTERNAL_H
#define LEAT_LEDGER_MEMORY_INTERNAL_H

#include <pthread.h>

#include "base/mem.h"
#include "ledger/ledger.h"
#include "ledger/memory_table.h"

enum { T_SINGLE, T_INPUT, T_DONE, T_RESULTS, T_FAILURES, T_KEYS, TABLES };

/* What there is one of, by its key in T_SINGLE. */
enum { SINGLE_DEFINITION, SINGLE_RECORD, SINGLE_STATE };

struct memory_job {
	struct id id;
	struct table tables[TABLES];
	size_t coming[TABLES]; /* while committing: how many puts the list holds */
};

struct ledger_memory {
	struct ledger ledger;
	pthread_rwlock_t lock;    /* jobs and what they hold */
	struct memory_job **jobs; /* by id */
	size_t job_count, job_capacity;
	uint64_t commits;
	struct change *changes; /* of the open transaction; the commit thread's own */
	size_t change_count, change_capacity;
};

/* An idempotency key's value in T_KEYS, where its hash is its number. */
struct key_value {
	uint64_t lines;
	char text[];
};

static inline struct ledger_memory *memory_of(struct ledger *ledger)
{
	return CONTAINER_OF(ledger, struct ledger_memory, ledger);
}

static inline unsigned log_table(enum ledger_log log)
{
	return log == LEDGER_RESULTS ? T_RESULTS : T_FAILURES;
}

/* ---- the lock is held ---- */

/* Index of the first job with an id >= `id`. */
size_t memory_job_index(const struct ledger_memory *memory, const struct id *id);
struct memory_job *memory_job_find(const struct ledger_memory *memory, const struct id *id);
/* The number behind the last one that a record of a log holds; of what is no block: none. */
uint64_t memory_log_end(const struct table *table, unsigned which, size_t index);

/* ---- memory_read.c ---- */

int memory_each_job(struct ledger *ledger, const struct id *before, ledger_job_fn fn, void *arg,
	struct error *err);
int memory_get_job(struct ledger *ledger, const struct id *id, struct buf *definition,
	struct buf *record, struct error *err);
int memory_next_input(struct ledger *ledger, const struct id *id, uint64_t from_block,
	uint64_t *ret_block, struct buf *bytes, struct buf *bitmap, struct error *err);
int memory_input_range(struct ledger *ledger, const struct id *id, uint64_t *ret_first,
	uint64_t *ret_last, uint64_t *ret_bytes, struct error *err);
int memory_each_value(struct ledger *ledger, const struct id *id, enum ledger_log log,
	uint64_t seq, ledger_value_fn fn, void *arg, struct error *err);
int memory_each_key(struct ledger *ledger, const struct id *id, ledger_key_fn fn, void *arg,
	struct error *err);
int memory_get_state(
	struct ledger *ledger, const struct id *id, struct buf *bytes, struct error *err);
void memory_stat(struct ledger *ledger, struct ledger_stat *ret);

#endif
