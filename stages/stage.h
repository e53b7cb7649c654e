/*
 * stage.h: what a stage is.
 *
 * A stage is one const descriptor, exported by STAGE(). The engine parses, checks, defaults
 * and documents its parameters from the table, makes one *instance* a job, and hands every
 * item (one JSON text) to `run`, which emits 0 to n items or fails. Every callback takes
 * (instance, ctx); whatever else it wants it asks of ctx.
 *
 *	struct upper { const char *field; };
 *
 *	static const struct stage_param upper_params[] = {
 *		{ "field", STAGE_STRING, .required = 1, .doc = "…",
 *		  .offset = offsetof(struct upper, field) },
 *		{ 0 },
 *	};
 *
 *	STAGE(.name = "upper", .version = "1.0.0", .summary = "…", .threads = STAGE_PARALLEL,
 *	      .instance_size = sizeof(struct upper), .params = upper_params, .run = upper_run);
 *
 * Life: open → (worker_open → run… → worker_close) × workers → close. The engine fills the
 * instance (instance_size zeroed bytes) from the parameters before `open`.
 *
 * Promises of the engine to a stage:
 * - the input is valid JSON on one line, NUL-terminated behind its length, and stays until
 *   the item is over;
 * - an item may be run again after a crash or a transient failure, always under the same
 *   stage_item_id(): effects on the outside world are at least once, those on results,
 *   failures and counts exactly once;
 * - a serial stage is never entered twice at once, a parallel one by up to `workers` threads.
 *
 * The ABI only grows: fields are appended to the structs, functions to the list, values to
 * the enums; zero always means "as before"; no argument of a callback ever changes.
 */
#ifndef LEAT_STAGE_H
#define LEAT_STAGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STAGE_ABI 3

struct stage_ctx;

/* What became of the item (map, sink) or of the call (source, open). */
enum stage_result {
	STAGE_OK = 0,  /* done with it; it was filtered out if nothing was emitted */
	STAGE_FAILED,  /* stage_fail() has said why */
	STAGE_PENDING, /* async stages: stage_defer() was called, stage_complete() will come */
	STAGE_END,     /* sources: there is no more */
};

/* Failures of kind STAGE_TRANSIENT are tried again, as the job's `retry` says. */
enum stage_failure { STAGE_PERMANENT = 0, STAGE_TRANSIENT = 1 };

enum stage_kind { STAGE_MAP = 0, STAGE_SOURCE = 1, STAGE_SINK = 2 };

/* How `run` may be called. */
enum stage_threads {
	STAGE_SERIAL = 0,   /* by one thread at a time, whatever `workers` says */
	STAGE_PARALLEL = 1, /* by up to `workers` threads at once; uses the CPU, never sleeps */
	/* The same, and may sleep: it gets threads of its own. A source or a sink: one thread
	 * at a time, and a transient failure is tried again after the job's `retry` says, not
	 * at once; what waits for something outside looks at stage_cancelled() meanwhile. */
	STAGE_BLOCKING = 2,
	STAGE_ASYNC = 3, /* maps, on the server's loop: must return at once, completes later */
};

enum stage_flag {
	/* Not a stage by itself: each file of the folder stages-d whose name is no stage's
	 * makes one of it, with that file as its configuration (since ABI 2). */
	STAGE_TEMPLATE = 1,
};

enum stage_param_type {
	STAGE_STRING = 1, /* const char *, NULL when absent without default */
	STAGE_INT,        /* int64_t */
	STAGE_NUMBER,     /* double */
	STAGE_BOOL,       /* bool */
	STAGE_POINTER, /* const char *: a JSON pointer (RFC 6901); a bare name "a" means "/a" */
	STAGE_JSON,    /* const char *: any JSON value as one line of text */
};

/* One row of the parameter table; the table ends with a row whose name is NULL. */
struct stage_param {
	const char *name;
	enum stage_param_type type;
	int required;
	const char *def;     /* default, written as in JSON but strings bare; NULL: zero */
	const char *doc;     /* one line for people */
	size_t offset;       /* of the member in the instance */
	double min, max;     /* numbers: bounds, both 0: none */
	const char *choices; /* strings: "a|b|c", NULL: any */
	const char *schema;  /* JSON: a JSON Schema for documentation, NULL: any */
};

/* The descriptor. Lives as long as the program or module. */
struct stage {
	uint32_t abi;        /* filled in by STAGE() */
	uint32_t size;       /* filled in by STAGE() */
	uint32_t param_size; /* filled in by STAGE(): of one row, so that rows may grow */
	const char *name, *version, *summary;
	enum stage_kind kind;
	enum stage_threads threads;
	size_t instance_size, worker_size;
	const struct stage_param *params;

	/* Check what the table cannot, compile, connect. stage_fail() says what is wrong; a
	 * message that starts with "/name: " points at that parameter. Must not block. */
	enum stage_result (*open)(void *instance, struct stage_ctx *ctx);
	void (*close)(void *instance, struct stage_ctx *ctx);
	/* Each worker's own memory (worker_size zeroed bytes, stage_worker()). */
	enum stage_result (*worker_open)(void *instance, struct stage_ctx *ctx);
	void (*worker_close)(void *instance, struct stage_ctx *ctx);

	/* map, sink: one item. source: emit some (stage_room() at most), set the cursor. One
	 * that has nothing now may say STAGE_OK without items: it is asked again after 1 ms,
	 * twice as long each time, up to 250 ms. */
	enum stage_result (*run)(void *instance, struct stage_ctx *ctx);
	/* The item of a deferred run is no longer wanted (deadline, cancel): complete soon. */
	void (*cancel)(void *instance, struct stage_ctx *ctx);

	/* sink: write the state with stage_state_set(); it is committed together with the
	 * items that made it, and given back through stage_state() at `open`. */
	enum stage_result (*checkpoint)(void *instance, struct stage_ctx *ctx);
	/* sink: the job is over; emit one JSON value, the job's `report`. */
	enum stage_result (*report)(void *instance, struct stage_ctx *ctx);

	/* ---- since ABI 2 ---- */

	/*
	 * What the operator of the server says of this stage, in the file NAME.json of the
	 * folder stages-d: checked against the table and written into config_size zeroed bytes
	 * once, at start; where there is no file, the defaults, and zero for what has none.
	 * `configure` then checks what the table cannot; after a stage_fail() ("/hosts/0: …")
	 * the file is refused and the defaults take its place. Instances read it through
	 * stage_config(); it does not change. config_of: the name of another stage whose
	 * configuration this one shares.
	 */
	const char *config_of;
	size_t config_size;
	const struct stage_param *config;
	enum stage_result (*configure)(void *config, struct stage_ctx *ctx);
	void (*unconfigure)(void *config, struct stage_ctx *ctx);

	/*
	 * Many items at once: stage_batch_count() of them, each with a ctx of its own and so
	 * with a fate of its own. STAGE_FAILED after a stage_fail() on ctx itself is the fate
	 * of all that have not failed themselves. `run` stays for single items. batch_items:
	 * how many it likes to be given where the job says nothing; 0: only what jobs ask for.
	 * A sink is given its items by it whatever is said (0: up to 1024); those that fail for
	 * the moment come again together, before the next ones, under the same ids.
	 */
	enum stage_result (*run_batch)(void *instance, struct stage_ctx *ctx);
	unsigned batch_items;
	unsigned flags; /* mask of enum stage_flag */

	/* async: the server ends and no item is in hand. Close what stands on the loop; it runs
	 * until all of that is closed. Called on the loop, once, also where nobody used the
	 * stage. */
	void (*loop_end)(void *config, struct stage_ctx *ctx);
};

/* The program hides its symbols but for these, which modules find in it. */
#pragma GCC visibility push(default)

/* ---- the item ---- */

/* Thread of all of these: the one that runs the callback, unless said otherwise. */

/* The input: one JSON text, NUL-terminated. Owner: the engine, until the item is over. */
const char *stage_input(struct stage_ctx *ctx, size_t *ret_len);
/* "j_…/123" or "j_…/123.4": the same at every attempt, different for each item. */
const char *stage_item_id(struct stage_ctx *ctx);
/* The number of the input item this one descends from, from 0. */
uint64_t stage_item_number(struct stage_ctx *ctx);
/* 1 for the first attempt. */
unsigned stage_attempt(struct stage_ctx *ctx);
/* Nonzero once nobody wants the item any more (deadline, cancel). Thread: any. */
int stage_cancelled(struct stage_ctx *ctx);

/* Emit one JSON text; the bytes are copied. Returns STAGE_OK, or STAGE_FAILED when there is
 * no room or memory (the item has then failed: return that). */
enum stage_result stage_emit(struct stage_ctx *ctx, const char *json, size_t len);
/* Emit the input as it is, without a copy. */
enum stage_result stage_emit_input(struct stage_ctx *ctx);
/* Room for `len` bytes of output to write in place; follow with stage_emit_reserved(). NULL
 * when there is no room or memory (the item has then failed: return STAGE_FAILED). */
char *stage_reserve(struct stage_ctx *ctx, size_t len);
enum stage_result stage_emit_reserved(struct stage_ctx *ctx, size_t len);

/* Returns STAGE_FAILED, so that `return stage_fail(…)` is the whole path. What was emitted
 * for this item in this attempt is taken back. The text is cut after 300 bytes. */
enum stage_result stage_fail(struct stage_ctx *ctx, enum stage_failure kind, const char *format,
	...) __attribute__((format(printf, 3, 4)));
#ifdef __clang_analyzer__ /* looks into one file at a time: it has to be told */
static inline enum stage_result stage_fail_returned(enum stage_result result)
{
	(void)result;
	return STAGE_FAILED;
}
#define stage_fail(...) stage_fail_returned(stage_fail(__VA_ARGS__))
#endif

/*
 * Another attempt at what fails now is not to begin before so many milliseconds have passed
 * (at most STAGE_RETRY_AFTER_MAX_MS): somebody outside has said so. The job's backoff comes on
 * top; whether there is another attempt is for the job to say. Since ABI 2.
 */
#define STAGE_RETRY_AFTER_MAX_MS 3600000
void stage_retry_after(struct stage_ctx *ctx, uint64_t ms);

/* Memory that is freed when the item is over; NULL when there is none. */
void *stage_scratch(struct stage_ctx *ctx, size_t size);

/* ---- instance, worker, log ---- */

/* This worker's memory (worker_size bytes); NULL if worker_size is 0. */
void *stage_worker(struct stage_ctx *ctx);
/* One line to the server's log, with job and stage; rate-limited. ctx NULL: of no job. Thread:
 * any. */
void stage_log(struct stage_ctx *ctx, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * A line that a process of the stage's has said on its stderr: event=stage_stderr, with job,
 * stage, `use` (the stage's name, for where ctx is NULL: of no job), pid, and how many lines
 * before it the stage has left out. Returns 0 when too many come and this one is left out, too.
 * Thread: any. Since ABI 3.
 */
int stage_stderr(struct stage_ctx *ctx, const char *use, int pid, uint64_t skipped,
	const char *text, size_t len);

/*
 * Numbers of the stage's own on /metrics, over all jobs: counts of what has happened
 * (leat_stage_events_total{stage,event}), and how many there are of something now
 * (leat_stage_level{stage,what}; not told by isolated stages). The meter stays until
 * `loop_end`; NULL, which counts nothing, where there is no job. Names are made of a-z, 0-9
 * and _, at most 31 of these, and at most 32 a stage: the rest is "other". Each call takes a
 * lock: not for what happens with every item. Thread: any. Since ABI 3.
 */
struct stage_meter;
struct stage_meter *stage_meter(struct stage_ctx *ctx);
void stage_count(struct stage_meter *meter, const char *event, uint64_t n);
void stage_level(struct stage_meter *meter, const char *what, int64_t by);

/*
 * The W3C traceparent header that the job's request came with, checked: send it along with
 * what the stage asks of others, so that it stands in the same trace. NULL when there is none.
 * Stays as long as ctx does. Thread: any.
 */
const char *stage_traceparent(struct stage_ctx *ctx);

/*
 * The operator's configuration (config_size bytes), the same for all jobs; NULL where the stage
 * has no table of one. Thread: any.
 */
const void *stage_config(struct stage_ctx *ctx);
/* The name that the stage is used by; a template has many. Thread: any. */
const char *stage_use(struct stage_ctx *ctx);
/* All parameters as one JSON text, checked and with defaults; NULL without memory. In `open`;
 * stays as long as the instance does. */
const char *stage_params(struct stage_ctx *ctx, size_t *ret_len);

/* ---- in run_batch (since ABI 2) ---- */

size_t stage_batch_count(struct stage_ctx *ctx);
/* The ctx of one item, for everything that stands above; index < stage_batch_count(). Stays as
 * long as the batch is not over. */
struct stage_ctx *stage_batch_item(struct stage_ctx *ctx, size_t index);

/* ---- async stages ---- */

/* Keep the item: run then returns STAGE_PENDING, and ctx stays valid until stage_complete(). */
void stage_defer(struct stage_ctx *ctx);
/* The deferred item is over, and its timer with it; emits and stage_fail() on ctx come
 * before. Thread: any. */
void stage_complete(struct stage_ctx *ctx, enum stage_result result);
/* Call `fn(instance, ctx)` on the loop after `ms`; one timer an item. Thread: loop. */
enum stage_result stage_timer(
	struct stage_ctx *ctx, uint64_t ms, void (*fn)(void *instance, struct stage_ctx *ctx));
/* The server's uv_loop_t, for stages that bring handles of their own. Thread: loop. */
void *stage_uv_loop(struct stage_ctx *ctx);
/* How many workers the job wants of this stage now; it may change. Thread: loop. */
unsigned stage_workers(struct stage_ctx *ctx);
/* How many items each worker may have in hand at a time: 1 until this is called. For a worker
 * that does them one after the other, and wants the next ones at hand. Thread: loop. */
void stage_in_flight(struct stage_ctx *ctx, unsigned per_worker);

/* ---- sources and sinks ---- */

/* What was saved, NULL at the job's first start. At open, and in run of sources. */
const char *stage_state(struct stage_ctx *ctx, size_t *ret_len);
/* Save: for a source in `run`, together with what this run emitted; for a sink in
 * `checkpoint`. The bytes are copied. */
enum stage_result stage_state_set(struct stage_ctx *ctx, const void *bytes, size_t len);
/* How many items a source may emit in this run; at least 1. */
size_t stage_room(struct stage_ctx *ctx);

#pragma GCC visibility pop

/* ---- registration ---- */

#define STAGE_HEAD_ \
	.abi = STAGE_ABI, .size = sizeof(struct stage), .param_size = sizeof(struct stage_param)

#ifdef LEAT_STAGE_BUILTIN
/* Linked into the program: descriptors gather in a linker section. */
#define STAGE(...)                                                                  \
	static const struct stage stage_descriptor_ = { STAGE_HEAD_, __VA_ARGS__ }; \
	static const struct stage *const stage_pointer_                             \
		__attribute__((used, section("leat_stages"))) = &stage_descriptor_
#else
/* A module: one descriptor a file, found by name. */
#define STAGE(...)                                                            \
	__attribute__((visibility("default"))) const struct stage leat_stage; \
	const struct stage leat_stage = { STAGE_HEAD_, __VA_ARGS__ }
#endif

#ifdef __cplusplus
}
#endif

#endif
