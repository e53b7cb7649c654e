/*
 * stage_host: the engine's side of stage.h, as small as a test can have it.
 *
 * One stage, one item at a time, everything on the calling thread: a timer does not wait but
 * fires as soon as run has returned. It holds a stage to its contract: emitting after a
 * failure, completing twice or writing past what was reserved ends the test program.
 *
 * Linked into a program instead of the engine, with export_dynamic for modules.
 */
#ifndef LEAT_TEST_STAGE_HOST_H
#define LEAT_TEST_STAGE_HOST_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "plugin/params.h"
#include "stages/stage.h"

struct stage_host {
	const struct stage *stage;
	void *instance;
	struct params_store *store;
	struct stage_ctx *ctx;
};

/* -1 with ERR_DEFINITION when the params are wrong or `open` fails; its text says why. */
int stage_host_open(struct stage_host *host, const struct stage *stage, const json_t *params,
	const struct buf *state, struct error *err);
void stage_host_close(struct stage_host *host);

/* One attempt at an item. What was emitted before is forgotten. */
enum stage_result stage_host_run(struct stage_host *host, const char *item, size_t len,
	uint64_t number, unsigned attempt);
/* One run of a source. */
enum stage_result stage_host_generate(struct stage_host *host, size_t room);
enum stage_result stage_host_checkpoint(struct stage_host *host);
enum stage_result stage_host_report(struct stage_host *host);
/* Call the stage's cancel from its next timer on, in place of the timer. */
void stage_host_cancel_next(struct stage_host *host);

/* What the last call did. */
size_t stage_host_emitted(const struct stage_host *host);
const char *stage_host_output(const struct stage_host *host, size_t index, size_t *ret_len);
const char *stage_host_failure(const struct stage_host *host, enum stage_failure *ret_kind);
/* What the stage asked its timer for, 0: it had none. */
uint64_t stage_host_waited_ms(const struct stage_host *host);
const struct buf *stage_host_state(const struct stage_host *host);

#endif
