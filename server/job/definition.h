/*
 * definition: what a job is to do, checked and with every default filled in.
 *
 * It comes from a person (the JSON of POST /v1/jobs, or the short form `a,b:8`), so parsing
 * collects *every* mistake, each with a JSON pointer, and creates nothing if there is one.
 * It goes to the ledger as the JSON of definition_to_json(), and back by the same parser.
 *
 * Only workers, limits and labels change after birth (definition_patch()).
 *
 * Thread: any, one at a time; a job's own definition belongs to the loop.
 */
#ifndef LEAT_JOB_DEFINITION_H
#define LEAT_JOB_DEFINITION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "stages/stage.h"

#define DEFINITION_WORKERS_MAX 10000
#define DEFINITION_BATCH_MAX   10000

enum isolation { ISOLATION_NONE, ISOLATION_PROCESS };
enum on_error { ON_ERROR_DEAD_LETTER, ON_ERROR_DROP, ON_ERROR_FAIL };

struct stage_def {
	char *name;                /* unique in the job */
	const struct stage *stage; /* the registered stage `use` */
	json_t *params;            /* as given, with defaults */
	unsigned workers;
	bool scaled; /* somebody asked for workers: it is then never fused with a neighbour */
	uint64_t queue_items, queue_bytes;
	uint64_t timeout_ms; /* 0: none */
	unsigned attempts;
	uint64_t backoff_ms, max_backoff_ms;
	enum on_error on_error;
	double rate_per_s;      /* 0: none */
	unsigned batch_items;   /* that a call waits for and takes; 0: the job says nothing */
	uint64_t batch_wait_ms; /* how long it waits for them */
	enum isolation isolation;
	bool isolation_said; /* the job says so, whatever the server presets */
};

struct job_limits {
	int64_t max_failures;     /* -1: none */
	double max_failure_ratio; /* negative: none */
	uint64_t deadline_ms;     /* 0: none; since the job's creation */
};

struct definition {
	char *name;
	json_t *labels;
	struct stage_def *stages;
	unsigned stage_count;
	bool has_source; /* stages[0] is a source */
	bool has_sink;   /* the last stage is a sink */
	bool ordered;    /* order: input */
	uint64_t backlog_bytes;
	struct job_limits limits;
	uint64_t retention_ms;
};

/* What an operator allows and presets; every bound of a definition. */
struct definition_rules {
	unsigned stages_max;           /* 64 */
	uint64_t queue_items_max;      /* 1,000,000 */
	uint64_t queue_bytes_max;      /* 1 GiB */
	uint64_t backlog_default;      /* 256 MiB */
	uint64_t backlog_max;          /* 1 TiB */
	uint64_t retention_default_ms; /* 7 days */
};
extern const struct definition_rules definition_rules_default;

/* Every mistake of a request: {pointer, detail}. At most MISTAKES_MAX are kept. */
#define MISTAKES_MAX 100
struct mistakes {
	unsigned count;
	struct mistake {
		char *pointer, *detail;
	} items[MISTAKES_MAX];
};
void mistakes_init(struct mistakes *mistakes);
void mistakes_done(struct mistakes *mistakes);
void mistakes_add(struct mistakes *mistakes, const char *pointer, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* [{"pointer":…,"detail":…}]; NULL without memory. */
json_t *mistakes_to_json(const struct mistakes *mistakes);

/* What the definition must know of stages; the plugin registry implements it. */
struct catalog {
	/* NULL when there is none of that name. */
	const struct stage *(*find)(const struct catalog *catalog, const char *name);
	/* The registered name nearest to a misspelt one, NULL when none is near. */
	const char *(*nearest)(const struct catalog *catalog, const char *name);
	/* Check params against the table, adding mistakes under `pointer`; returns a new object
	 * with every default filled in, NULL when there was a mistake. */
	json_t *(*check_params)(const struct catalog *catalog, const struct stage *stage,
		const json_t *params, const char *pointer, struct mistakes *mistakes);
	/* Does it run in a process of its own where the job says nothing? NULL: none does. */
	bool (*isolated)(const struct catalog *catalog, const struct stage *stage);
};

/* Why a stage cannot run in a process of its own; NULL: it can. */
const char *stage_not_isolated(const struct stage *stage);

/* Returns -1 with ERR_DEFINITION (see `mistakes`) or ERR_NO_MEMORY. Owner of *ret: caller. */
int definition_parse(const json_t *root, const struct catalog *catalog,
	const struct definition_rules *rules, struct mistakes *mistakes,
	struct definition **ret, struct error *err);
void definition_free(struct definition *definition);

/* `sha256:8,pick` → {"stages":[{"use":"sha256","workers":8},{"use":"pick"}]}. */
json_t *definition_from_short(const char *text, struct mistakes *mistakes);

/*
 * One scaling parameter of a query: key `workers.NAME` or `queue.NAME`. Returns 1 when taken,
 * 0 when the key is not of that kind, -1 when it is and is wrong (a mistake was added, its
 * pointer is the key).
 */
int definition_scale(struct definition *definition, const struct definition_rules *rules,
	const char *key, const char *value, struct mistakes *mistakes);

/* `STAGE.PARAM=VALUE` of /v1/run on the not yet parsed root; same returns as above. VALUE is
 * parsed as JSON if it is JSON, else it is a string. */
int definition_set_param(
	json_t *root, const char *key, const char *value, struct mistakes *mistakes);

/* The whole with defaults, as :validate answers it; NULL without memory. */
json_t *definition_to_json(const struct definition *definition);

/* PATCH: check it whole first; nothing has changed on failure. */
int definition_patch(struct definition *definition, const json_t *patch,
	struct mistakes *mistakes, struct error *err);

/* Put `given` over `labels`; with `null_removes` a null takes a label away. -1: no memory. */
int labels_merge(json_t *labels, const json_t *given, bool null_removes, const char *pointer,
	struct mistakes *mistakes);

/* Index of the stage of that name, -1. */
int definition_find_stage(const struct definition *definition, const char *name);

#endif
