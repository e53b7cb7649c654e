/*
 * driver: a client of the engine that does to one job whatever a client may do, at random,
 * and compares what comes out with the model.
 *
 *	create ─► send lines in several uploads ─► close ─► wait ─► read ─► check
 *	                                                     ▲ run the failures again ┘
 *	delete
 *
 * It never waits: driver_step() does a little of what can be done now, between turns of the
 * loop, so that one loop drives many of them.
 */
#ifndef LEAT_TEST_DRIVER_H
#define LEAT_TEST_DRIVER_H

#include "engine/reader.h"
#include "engine/upload.h"
#include "model.h"
#include "rig.h"

#define SENDERS_MAX 3

/* What the driver may do, and what may happen to it. */
struct driver_rules {
	struct plan_rules plan;
	unsigned senders; /* at most; more than one: numbers are not known beforehand */
	bool chaos;       /* pause, resume, PATCH, look, read while it runs */
	bool cancels;     /* now and then the job is cancelled */
	bool retries;     /* failures run again */
	bool keys;        /* uploads have idempotency keys: they may break */
	bool faults;      /* calls may fail with "disk full", "store", "memory" */
};

struct sender {
	struct driver *driver;
	unsigned first, upto, lines, at; /* lines, physical: blank ones included */
	struct upload *upload;
	char key[24];
	bool flushing, flushed, broken, told, finished, waits;
	struct error why;
	uint64_t acked; /* lines that the engine has said to be on disk */
	unsigned blank; /* seen, not yet told of */
};

enum driver_state {
	DRIVER_NEW,
	DRIVER_CREATING,
	DRIVER_SENDING,
	DRIVER_CLOSING,
	DRIVER_WAITING,
	DRIVER_READING,
	DRIVER_RETRYING,
	DRIVER_DELETING,
	DRIVER_OVER,
};

struct driver {
	struct rig *rig;
	struct rng rng;
	struct driver_rules rules;
	struct plan plan;
	struct model model;
	enum driver_state state;
	struct id id;
	bool has_id, numbered, blanks;
	struct sender senders[SENDERS_MAX];
	unsigned sender_count;
	unsigned asked;   /* replies outstanding */
	unsigned chances; /* of something to be done to the job */
	bool want_cancel, want_delete, cancelled, retried, patched, modelled;
	bool restarted, lost; /* stage counts are then not to be compared */
	struct reader *reader;
	bool fetching, reading_failures, read_all;
	/* what was read */
	struct model_result *results;
	struct model_failure *failures;
	size_t result_count, failure_count;
	uint64_t last_version;
	uint64_t moved_at_ns; /* when the state last changed */
};

void driver_init(struct driver *driver, struct rig *rig, uint64_t seed,
	const struct driver_rules *rules, unsigned slot);
/* Do something if there is something; false: let the loop wait. */
bool driver_step(struct driver *driver);
bool driver_is_over(const struct driver *driver);
/* The engine will be closed under it, or was: forget all that belonged to it. */
void driver_before_close(struct driver *driver);
void driver_after_close(struct driver *driver);
/* Ends the program when nothing has happened for long. */
void driver_watch(const struct driver *driver);
void driver_print(const struct driver *driver);
void driver_done(struct driver *driver);

#endif
