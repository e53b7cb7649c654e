/*
 * intake: a request's body on its way into a job.
 *
 *	pieces ─► body (decoded) ─► split (items) ─► json_check ─► upload ─► ledger, pipeline
 *
 * A piece is taken whole or not at all. When the upload has no room in the middle of one, its
 * rest is copied aside (a piece is at most half of the connection's memory) and the next one
 * is refused until that rest is gone: so the client is stopped by TCP, and libmicrohttpd
 * never sees a connection that is suspended after it was consumed from.
 *
 * However it ends, what was taken before is flushed first, so that the reply counts what is
 * on disk.
 *
 * Thread: loop. The intake is its owner's storage; it must not move while open.
 */
#ifndef LEAT_HTTP_INTAKE_H
#define LEAT_HTTP_INTAKE_H

#include <jansson.h>

#include "engine/split.h"
#include "engine/upload.h"
#include "http/body.h"

struct intake_options {
	enum split_shape shape;
	struct stage_csv_options csv; /* SPLIT_CSV; its names are borrowed */
	const char *encoding;         /* Content-Encoding, NULL */
	double ratio_max;
	const char *key; /* Idempotency-Key, NULL */
	uint64_t offset;
	bool skip_invalid;
	bool impatient;           /* see struct upload_events */
	struct json_check *check; /* borrowed */
};

struct intake_events {
	void *arg;
	/* No room: intake_fail(), or wait for go_on(). */
	void (*full)(void *arg);
	/* Room again; the pieces that were refused may come. */
	void (*go_on)(void *arg);
	/* Over, once: err NULL when all of the body is on disk. May come from within a call. */
	void (*over)(void *arg, const struct error *err);
};

struct intake {
	struct intake_events events;
	struct json_check *check;
	struct job *job;       /* a reference; NULL: not open */
	struct upload *upload; /* NULL: the input is closed, and the body was taken before */
	struct body body;
	struct split split;
	struct buf rest; /* of a piece, put aside */
	uint64_t skip;   /* lines (rows of CSV) at the start that were taken before */
	uint64_t told;   /* lines of this body that the upload knows of */
	uint64_t duplicates, rejected, known_lines;
	json_t *errors;                 /* the first of the refused lines */
	uint64_t fed, noticed;          /* pieces, so that a pause can be noticed */
	uint64_t blocked_ns, waited_ns; /* since when; in all before that */
	struct error err;
	enum intake_state { INTAKE_OPEN, INTAKE_ENDING, INTAKE_FLUSHING, INTAKE_OVER } state;
	bool skip_invalid, close_input, split_ended, failed, full, armed;
};

/* Errors: those of upload_open() and body_open(). */
int intake_open(struct intake *intake, struct job *job, const struct intake_options *options,
	const struct intake_events *events, struct error *err);
/* What is in hand is sent off all the same; no event comes any more. */
void intake_close(struct intake *intake);

/* True: the piece was taken. False: offer it again after go_on(), or forget it after over(). */
bool intake_feed(struct intake *intake, const char *bytes, size_t len);
/* The body was read whole; over() comes. */
void intake_finish(struct intake *intake, bool close_input);
/* End it; over() comes with this error. */
void intake_fail(struct intake *intake, const struct error *err);
/*
 * What was taken must not wait for a block to fill when the body pauses. After a piece was
 * taken: is a timer to be started? When it fires: is it to be started again?
 */
#define INTAKE_PAUSE_MS 10
bool intake_wants_timer(struct intake *intake);
bool intake_on_timer(struct intake *intake);

/* Nothing of an item that is not whole yet has come. */
bool intake_at_rest(const struct intake *intake);

uint64_t intake_waited_ms(const struct intake *intake);
/* {"accepted":…,"duplicates":…,"rejected":…,"errors":[…],"next_offset":…,"waited_ms":…} */
json_t *intake_to_json(const struct intake *intake);

#endif
