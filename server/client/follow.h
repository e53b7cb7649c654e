/*
 * follow: results or failures of a job, each once, whatever happens to the connection.
 *
 * Every line comes with its cursor; where the stream breaks, the next one begins behind the
 * last cursor that was seen. Following ends when the job is done and a stream that began
 * after that had nothing more.
 *
 * Thread: one.
 */
#ifndef LEAT_CLIENT_FOLLOW_H
#define LEAT_CLIENT_FOLLOW_H

#include <jansson.h>

#include "client/patience.h"
#include "client/remote.h"

#define FOLLOW_CURSOR_SIZE 128

struct follow_line {
	const char *whole; /* as it came, {"cursor":…}, without its end */
	size_t whole_len;
	const char *value; /* of a result */
	size_t value_len;
};

struct follow_config {
	struct remote *remote;
	const char *job;   /* its id */
	const char *what;  /* "results", "failures" */
	const char *after; /* a cursor, NULL: from the start */
	uint64_t limit;    /* 0: none */
	bool follow;       /* until the job is done */
	uint64_t patience_ms;
	int interrupt_fd; /* -1: none */
	void *arg;
	/* One line; false gives up. */
	bool (*line)(void *arg, const struct follow_line *line);
	/* What has come so far is to be seen: more may take a while. */
	bool (*pause)(void *arg);
	/* It is being tried again because of this (NULL: it goes on). */
	void (*trouble)(void *arg, const char *why);
};

enum follow_result {
	FOLLOW_ALL,
	FOLLOW_REFUSED,     /* by the server: `reply` */
	FOLLOW_UNREACHABLE, /* err */
	FOLLOW_INTERRUPTED,
	FOLLOW_GIVEN_UP, /* by line() or pause() */
};

struct follow {
	struct follow_config config;
	struct patience patience;
	struct remote_reply reply;
	struct buf carry; /* the line under way */
	char cursor[FOLLOW_CURSOR_SIZE];
	uint64_t count; /* lines so far */
	bool bad_line, moved;
	json_t *job; /* as last seen; done, when all of it was followed */
	struct error err;
};

void follow_init(struct follow *follow, const struct follow_config *config);
void follow_done(struct follow *follow);
enum follow_result follow_run(struct follow *follow);
/* The job as it is now, in `job`. */
enum follow_result follow_look(struct follow *follow);
/* Only waits until the job is done, and leaves it in `job`; calls seen() with what it sees. */
enum follow_result follow_job(
	struct follow *follow, void (*seen)(void *arg, const json_t *job), void *arg);

#endif
