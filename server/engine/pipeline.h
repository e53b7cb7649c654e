/*
 * pipeline: the stages of one job at work, and the queues between them.
 *
 *	uploads, sources, reads of the ledger
 *	  │ blocks in memory, in order
 *	  ▼
 *	inbox ─feed─► queue 0 ─► stage 0 ×w ─► queue 1 ─► … ─► last stage ×w ─► tail
 *	                                                                          │ finished
 *	          commit thread ◄─ flush ◄─ sink (where the job has one) ◄────────┘
 *
 * One lock a pipeline covers its queues, its inputs and its tail. It is held for moments: to
 * take a batch, and to give one back; never while stage code runs, never during I/O. What the
 * lock's holder finds to do for others it notes in a mask (WAKE_…) and does after unlocking,
 * with pipeline_wake().
 *
 * Progress is certain: the tail always takes what stages give (its bound stops the feeding
 * and the last stage's next start, never a finish); so the last stage always finishes, so the
 * one before it does, and so on up to the feed. An activation starts only with room
 * downstream; what one item emits beyond that waits in the stage's overflow, which stops
 * that stage alone.
 *
 * Owner: references (the job, each activation, call and operation under way).
 */
#ifndef LEAT_ENGINE_PIPELINE_H
#define LEAT_ENGINE_PIPELINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/histogram.h"
#include "base/list.h"
#include "base/tally.h"
#include "engine/engine.h"
#include "engine/input.h"
#include "engine/queue.h"
#include "ledger/committer.h"
#include "plugin/params.h"

struct call;
struct call_kit;
struct hosted;
struct isolated;
struct flush;
struct pipeline;
struct scheduler;
struct stage_totals;

/* Something that stage code must do off the loop (scheduler.h). */
struct task {
	struct list link;
	void (*run)(struct task *task);
};

/* Growable vector of items; the caller's lock or thread covers it. */
struct items {
	struct item *at;
	uint32_t count, capacity;
};
int items_push(struct items *items, const struct item *item);
void items_done(struct items *items); /* drops references */

/* Time-weighted shares of a stage's capacity. */
struct usage {
	uint64_t last_ns;
	double busy_ns, blocked_ns, starved_ns;       /* since start */
	double seen_busy, seen_blocked, seen_starved; /* at the last tick */
	double busy, blocked, starved;                /* shares, smoothed */
	bool blocked_now;                             /* by what was seen last */
};

struct worker {
	struct worker *next; /* free list */
	void *memory;
	bool opened;
};

/* A stage of this pipeline. */
struct stage_run {
	struct pipeline *pipeline;
	unsigned index;
	const struct stage_def *def;
	const struct stage *stage;
	void *instance;
	struct params_store *params;
	char *params_text;  /* NULL: not asked for */
	const void *config; /* the operator's; NULL: none */
	bool opened;

	struct queue queue;    /* in front of it */
	struct items overflow; /* emitted, with no room behind it yet */
	uint32_t overflow_at;  /* of that, already moved on */
	unsigned workers;      /* asked for; PATCH changes it */
	unsigned active;       /* activations or calls under way */
	unsigned per_worker;   /* calls that a worker may have in hand; 0: one */
	uint64_t ns_per_item;  /* smoothed; 0: not known yet */
	struct worker *idle_workers;

	struct stage_counts counts;
	struct usage usage;
	struct stage_totals *totals; /* of all jobs; NULL: a stage that is missing here */
	struct stage_counts told;    /* of the counts, what stands in there (totals.h) */
	double told_busy, told_blocked, told_starved;
	struct tally times;        /* and what does not yet */
	struct histogram *latency; /* nanoseconds; made with the first item */
	double tokens;             /* rate */
	uint64_t tokens_ns;

	const struct hosted *hosted; /* in a host process (hosted.h); else NULL */
	unsigned batch_max;      /* items of one call of run_batch; 0: they come one by one */
	uint64_t batch_since_ns; /* what waits in the queue for company came then; 0: nothing
				    does */
	struct call_kit *kits;   /* of calls of many items, to be used again */
	unsigned kit_count;

	struct list calls;              /* async and blocking: under way, oldest first */
	unsigned threads, idle_threads; /* blocking */
	pthread_cond_t work;            /* blocking: a thread may find something */
	bool backing_off;               /* a blocking sink waits for its next attempt */
	struct isolated *isolated;      /* its processes, once it is open; NULL: it has none */
	bool asked;                     /* loop's: for a thread, beyond blocking_max */
};

/* An item that waits for its next attempt; a binary heap by time. */
struct delayed {
	uint64_t due_ns;
	unsigned stage;
	struct item item;
};

struct pipeline {
	_Atomic uint32_t refs;
	pthread_mutex_t lock;
	struct engine *engine;
	struct job *job; /* loop's; compute threads use only its immutable parts */
	struct id id;
	char id_text[ID_TEXT_SIZE];
	char traceparent[TRACE_TEXT_SIZE]; /* written once, before `traced` */
	const struct definition *def;

	struct stage_run *stages;
	unsigned count;
	unsigned first, end;             /* maps are stages[first..end) */
	struct stage_run *source, *sink; /* NULL: none */

	/* input */
	struct list inbox;  /* inputs not fed whole, in order */
	struct list inputs; /* those with items not released, in order */
	uint64_t inbox_bytes;
	uint64_t backlog_bytes; /* accepted and not begun, in memory or not */
	uint64_t next_block, next_item;
	struct list lazy;         /* appends held back, in order (append.h) */
	uint64_t appending_bytes; /* appended, not committed yet */
	uint64_t cold_from;       /* first block that is only in the ledger */
	uint64_t stored_upto;     /* blocks below are in the ledger, or were refused */
	bool cold;                /* there are such blocks */
	bool room_wanted;         /* an upload waits for the backlog */
	bool input_over; /* nothing more is fed beyond what the inbox and the ledger hold */
	bool source_busy, source_ended;
	bool source_unwanted;   /* whoever is in its call shall come back: atomic, read anywhere
				 */
	uint64_t source_due_ns; /* after a transient failure, or when it had nothing */
	uint64_t source_idle_ns; /* how long it was left alone the last time; 0: it had items */
	unsigned source_attempts;
	struct buf source_state;

	/* flow */
	uint64_t tail_bytes; /* results that wait for the disk, and then some */
	bool output_full;    /* see output.h; as good as paused */
	atomic_bool no_room; /* its flush waits, for the ledger has no room for it */
	bool paused, stopped, no_feed;
	atomic_bool traced;
	/* input items: fed to a queue, begun by a worker, with an outcome, handed to a flush,
	 * and with that flush on disk (or dropped with its refused block) */
	uint64_t fed, begun, over, over_released, settled;
	uint64_t in_hand; /* activations and calls under way */
	struct delayed *delayed;
	unsigned delayed_count, delayed_capacity;
	uint64_t timer_due_ns; /* earliest time at which it must be looked at again; 0: none */
	uint64_t timer_armed_ns; /* what the loop has set its timer to; 0: none */
	uint64_t moved_ns;       /* an item moved */

	/* tail */
	struct flush *flush;  /* gathering; NULL: nothing */
	uint64_t flush_bytes; /* in it and in those submitted, not yet committed */
	unsigned flushes;     /* taken, with a sink or submitted, not yet committed */
	uint64_t window;      /* ordered: items that may be between feed and release */
	uint64_t held_bytes;  /* results that wait for their turn or their siblings */
	bool dirty;           /* on the engine's list of pipelines with something to flush */
	struct list dirty_link;
	uint64_t flush_due_ns;
	bool sink_busy, report_wanted, report_done;
	uint64_t sink_items; /* that may gather for it: about a second of its work */
	char *report;
	struct error failure; /* why the job must fail; code 0: it need not */

	/* the scheduler's and the loop's lists; their locks */
	struct list ready_link;
	bool ready;
	struct list loop_link;
	bool look;
	struct task end_task;
};

/* What somebody must be told after the lock is let go. */
enum {
	WAKE_COMPUTE = 1,
	WAKE_LOOP = 2,   /* async work, cold reads, room for uploads, timers, failure, report */
	WAKE_COMMIT = 4, /* something to flush */
};

int pipeline_new(struct engine *engine, struct job *job, const struct id *id,
	const struct definition *def, struct pipeline **ret, struct error *err);
/* Stages that call out may ask for it from now on; "" is nothing. Once. Thread: loop. */
void pipeline_trace(struct pipeline *pipeline, const char *traceparent);
/* NULL: none. Thread: any. */
const char *pipeline_traceparent(const struct pipeline *pipeline);
struct pipeline *pipeline_ref(struct pipeline *pipeline);
void pipeline_unref(struct pipeline *pipeline);

/* Its stages are closed: free the rest. Thread: any; see stages_life.h. */
void pipeline_free(struct pipeline *pipeline);

static inline void pipeline_lock(struct pipeline *pipeline)
{
	pthread_mutex_lock(&pipeline->lock);
}

/* Unlock and do what `wake` says. */
void pipeline_unlock(struct pipeline *pipeline, unsigned wake);
/* What there is to do now. Lock held. */
unsigned pipeline_wake_mask(struct pipeline *pipeline);

/* ---- feeding; lock held ---- */

/* A block has come into memory: feed it after what is there. Takes the reference. */
void pipeline_add_input(struct pipeline *pipeline, struct input *input);
/* Move items from the inbox into the queues as far as there is room. */
void pipeline_feed(struct pipeline *pipeline);
/* Is the inbox full, but emptied so fast that an uploader better waits a moment than has its
 * blocks written out and read back? Sets the timer for the case that it is not so. */
bool pipeline_worth_waiting(struct pipeline *pipeline);
/* Are there blocks to be read back, and is there room for them? (cold.c) */
bool cold_is_due(const struct pipeline *pipeline);
/* Move overflows on as far as there is room. */
void pipeline_drain_overflow(struct pipeline *pipeline);

/* ---- items that a stage has dealt with; lock held ---- */

/* May this stage start on another item, and how many could go downstream? 0: no. */
uint64_t pipeline_startable(struct pipeline *pipeline, struct stage_run *run, uint64_t now_ns);
/* Room behind a stage, in items; 0 also while its overflow waits. */
uint64_t pipeline_downstream_room(const struct pipeline *pipeline, const struct stage_run *run);
/* Has it threads of its own, because it may sleep? (blocking.h) */
static inline bool stage_run_sleeps(const struct stage_run *run)
{
	return run->stage->threads == STAGE_BLOCKING;
}
/* How many activations or calls of it can really be under way at once. */
uint64_t stage_run_capacity(const struct stage_run *run);
/* How many items a call of its run_batch takes; 0: it has none, or nobody wants it. */
unsigned stage_run_batch_max(const struct stage_run *run);
/* How many of its workers have something in hand. */
unsigned stage_run_busy(const struct stage_run *run);
/* Its counts with the quantiles of its latency, to be stored. */
struct stage_counts stage_run_counts(const struct stage_run *run);
/* So many items took it that long. */
void stage_run_measure(struct stage_run *run, uint64_t ns, uint32_t items);
/* Account time up to now; call before anything changes. */
void stage_run_account(struct stage_run *run, uint64_t now_ns);
/* Note what the stage waits for from now on, after its outputs have been passed on. */
void stage_run_note(struct stage_run *run);
/* `n` outputs go downstream of `run`: next queue, overflow, or tail. Takes references. */
void pipeline_forward(struct pipeline *pipeline, struct stage_run *run,
	const struct item *outputs, uint32_t n);
/* The item became `n` parts (already given their numbers); 0: filtered out here. */
void pipeline_count_parts(struct pipeline *pipeline, const struct item *item, uint32_t n);

/* Why an attempt failed. */
struct verdict {
	enum failure_kind kind;
	char text[304];
	uint64_t retry_after_ms; /* what the stage asked for; another attempt waits so long */
};
/* The item failed in `run`: another attempt, a dead letter, dropped, or the job fails. Takes
 * the item's reference. */
void pipeline_failed(struct pipeline *pipeline, struct stage_run *run, struct item *item,
	const struct verdict *verdict);
/* How long to wait before the attempt behind the first `attempts` of them, the last of which
 * ended so. (delayed.c) */
uint64_t backoff_ns(
	const struct stage_def *def, unsigned attempts, const struct verdict *verdict);
/* Another attempt after a while, its item counted as queued; -1 without memory. Takes the
 * item's reference on success. (delayed.c) */
int pipeline_try_again(struct pipeline *pipeline, struct stage_run *run, struct item *item,
	const struct verdict *verdict);
/* Delayed items that are due go back in front of their queue. */
void pipeline_release_delayed(struct pipeline *pipeline, uint64_t now_ns);
/* The loop must look again at that time. */
void pipeline_due(struct pipeline *pipeline, uint64_t due_ns);
/* Is the loop's timer set to a later time than the pipeline is due? Lock held. */
bool pipeline_timer_is_late(const struct pipeline *pipeline);
/* Take up to `n` tokens of the stage's rate; returns how many there were. */
uint64_t stage_run_take_tokens(struct stage_run *run, uint64_t n, uint64_t now_ns);
/* Are there any now? Otherwise the timer is set. */
bool stage_run_has_tokens(struct stage_run *run, uint64_t now_ns);
/* Set down what was taken and not used. */
void stage_run_return_tokens(struct stage_run *run, uint64_t n);
/* Take `n` tokens whether they are there or not: what is missing is waited for afterwards. */
void stage_run_spend_tokens(struct stage_run *run, uint64_t n);

/* ---- tail; lock held (tail.c) ---- */

void tail_result(struct pipeline *pipeline, const struct item *item); /* takes the reference */
void tail_filtered(struct pipeline *pipeline, const struct item *item);
void tail_failed(struct pipeline *pipeline, const struct item *item, unsigned stage,
	const struct verdict *verdict, bool keep);
/* An item that was done before it came into memory: its turn has come and gone. */
void tail_skip(struct pipeline *pipeline, struct input *input, uint32_t index);
/* May the last stage start? */
bool tail_has_room(const struct pipeline *pipeline);
#define SINK_ITEMS_MAX     65536u /* that gather for a sink */
#define SINK_ITEMS_FIRST   1024u  /* as long as its speed is not known */
#define SINK_BATCH_DEFAULT 1024u  /* in one run_batch, where nobody says */
/* How many items gather for the sink: what it does in a second, as far as that is known. */
void pipeline_set_sink_items(struct pipeline *pipeline, uint64_t items);
/* Is there so much that whoever takes it away is what the others wait for? */
bool tail_is_crowded(const struct pipeline *pipeline);
/* Detach what is to be committed, NULL when it is not yet due. */
struct flush *tail_take(struct pipeline *pipeline, uint64_t now_ns, bool force);
/* Is there something that wants to be flushed at or before `now_ns`? Otherwise when. */
uint64_t tail_due_ns(const struct pipeline *pipeline);

/* Memory ran out while an item was handed on: the job is built again from the ledger. */
void pipeline_lost(struct pipeline *pipeline);

/* ---- stopping ---- */

/* No worker starts any more, what is in hand is dropped when it comes back. Lock held. */
void pipeline_stop(struct pipeline *pipeline);
/* Nothing new is begun; who waits for something outside is told not to. Lock held. */
void pipeline_drain(struct pipeline *pipeline);

#endif
