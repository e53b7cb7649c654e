/*
 * record: the part of a job that changes and is persisted.
 *
 * It is written in every transaction that finishes items of the job, so it is small, flat
 * and versioned; what a person wrote (the definition) stands in a record of its own.
 *
 * Counts are about input items. At every moment:
 *	received = succeeded + filtered + failed + cancelled + (pending and running)
 * and the last term is what has no outcome yet, so it is never stored.
 *
 * To add a field: append it to RECORD_FIELDS; old records then read as zero there.
 */
#ifndef LEAT_JOB_RECORD_H
#define LEAT_JOB_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/trace.h"
#include "job/state.h"

#define RECORD_VERSION 1

#define RECORD_OWNER_SIZE 64

/* A stage's counts: of work done, what a crash made to be done again included. */
struct stage_counts {
	uint64_t in, out, filtered, failed, retries;
	uint64_t p50_ns, p99_ns, max_ns; /* time an item, since the last start */
};

/* clang-format off */
/*          type      name           what */
#define RECORD_FIELDS(X)                                                                           \
	X(uint64_t, state)          /* enum job_state */                                           \
	X(uint64_t, version)        /* grows with every visible change */                          \
	X(uint64_t, created_ms)                                                                    \
	X(uint64_t, started_ms)     /* 0: not yet */                                               \
	X(uint64_t, finished_ms)    /* 0: not yet */                                               \
	X(uint64_t, input_closed)                                                                  \
	X(uint64_t, expired)        /* retention has removed results and failures */               \
	X(uint64_t, erasing)        /* deleted by request; being removed piece by piece */         \
	X(uint64_t, ephemeral)      /* of /v1/run: removed at the next start */                    \
	X(uint64_t, received)       /* items */                                                    \
	X(uint64_t, bytes)          /* of items received */                                        \
	X(uint64_t, succeeded)                                                                     \
	X(uint64_t, filtered)                                                                      \
	X(uint64_t, failed)                                                                        \
	X(uint64_t, cancelled)                                                                     \
	X(uint64_t, results)        /* also the next result's sequence number */                   \
	X(uint64_t, retries)                                                                       \
	X(uint64_t, next_failure)   /* sequence number */                                          \
	X(uint64_t, next_block)     /* number of the next input block */                           \
	X(uint64_t, next_item)      /* number of the next item; a refused block leaves a gap */    \
	X(uint64_t, source_ended)                                                                  \
	X(uint64_t, expires_ms)     /* when retention removes the results; 0: not done yet */      \
	X(uint64_t, result_bytes)                                                                  \
	X(uint64_t, uploads)        /* idempotency keys known */                                   \
	X(uint64_t, trace_id_high)  /* base/trace.h; all zero: none */                             \
	X(uint64_t, trace_id_low)                                                                  \
	X(uint64_t, trace_parent)                                                                  \
	X(uint64_t, trace_flags)                                                                   \
	X(uint64_t, owner_len)      /* bytes of the owner, behind all else */                      \
	X(uint64_t, failure_bytes)  /* of the failures that are stored */

struct job_record {
#define X(type, name) type name;
	RECORD_FIELDS(X)
#undef X
	/* clang-format on */
	unsigned stage_count;
	struct stage_counts *stages;   /* in the definition's order */
	char *error;                   /* JSON text: the problem of a failed job, NULL */
	char *report;                  /* JSON text: what the sink reported, NULL */
	char owner[RECORD_OWNER_SIZE]; /* the name of who made it, "": nobody in particular */
};

int job_record_init(struct job_record *record, unsigned stage_count);
void job_record_done(struct job_record *record);
/* Deep copy into a record of the same job; -1 without memory, `to` unchanged. */
int job_record_copy(struct job_record *to, const struct job_record *from);

/* Items that have an outcome. */
static inline uint64_t job_record_finished(const struct job_record *record)
{
	return record->succeeded + record->filtered + record->failed + record->cancelled;
}

static inline struct trace job_record_trace(const struct job_record *record)
{
	return (struct trace){ record->trace_id_high, record->trace_id_low,
		record->trace_parent, record->trace_flags };
}

static inline void job_record_set_trace(struct job_record *record, const struct trace *trace)
{
	record->trace_id_high = trace->id_high;
	record->trace_id_low = trace->id_low;
	record->trace_parent = trace->parent;
	record->trace_flags = trace->flags;
}

/* A name that is too long is cut. */
void job_record_set_owner(struct job_record *record, const char *owner);

int job_record_encode(const struct job_record *record, struct buf *to);
/* ERR_STORE when it is damaged or of a newer version. */
int job_record_decode(const void *bytes, size_t len, struct job_record *ret, struct error *err);

#endif
