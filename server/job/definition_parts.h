/*
 * definition_parts: what the files that make up definition.h share. For them alone.
 */
#ifndef LEAT_JOB_DEFINITION_PARTS_H
#define LEAT_JOB_DEFINITION_PARTS_H

#include "job/definition.h"
#include "job/field.h"
#include "job/text.h"

#define DAY_MS 86400000ull

/* Bounds that no operator changes. */
#define NAME_BYTES_MAX    256
#define LABELS_MAX        64
#define TIMEOUT_MS_MAX    (7 * DAY_MS)
#define ATTEMPTS_MAX      1000
#define BACKOFF_MS_MAX    DAY_MS
#define RATE_MIN          0.001
#define RATE_MAX          1e9
#define BATCH_WAIT_MS_MAX (60 * 1000ull)
#define DEADLINE_MS_MAX   (3650 * DAY_MS)
#define RETENTION_MS_MAX  (3650 * DAY_MS)

/* Where a definition does not say. */
#define QUEUE_ITEMS_DEFAULT    1024
#define QUEUE_BYTES_DEFAULT    (16ull << 20)
#define ATTEMPTS_DEFAULT       3
#define BACKOFF_MS_DEFAULT     200
#define MAX_BACKOFF_MS_DEFAULT 30000

extern const char *const order_words[];    /* by `ordered` */
extern const char *const on_error_words[]; /* by enum on_error */

/* One element of `stages` but for its name; 0, or -1 when a mistake was added. */
extern const char *const isolation_words[];

int stage_def_parse(const json_t *value, const char *pointer, const struct catalog *catalog,
	const struct definition_rules *rules, struct mistakes *mistakes, struct stage_def *ret);
void stage_def_done(struct stage_def *stage);

/* `use`, or `use-2`, `use-3`… where that is taken. */
struct stage_name {
	char text[TEXT_NAME_MAX + 16];
};
struct stage_name stage_default_name(const char *use, unsigned nth);

/* Members that are not given stay as they are, null is none. */
void limits_parse(const json_t *value, const char *pointer, struct mistakes *mistakes,
	struct job_limits *to);

#endif
