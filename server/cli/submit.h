/*
 * submit: a job made, fed and, if wanted, followed to its end.
 *
 *	submit.c         the line, and what is done in which order
 *	submit_job.c     the pipeline, made a job on the server
 *	submit_items.c   files and standard input on their way to it (client/upload.h)
 *	submit_end.c     waiting for the end; results, which a thread of their own writes
 *
 * Thread: main, but for the writer of results (submit_end.c).
 */
#ifndef LEAT_CLI_SUBMIT_H
#define LEAT_CLI_SUBMIT_H

#include <pthread.h>

#include "cli/client.h"
#include "cli/results.h"
#include "cli/run_definition.h"
#include "client/chunks.h"
#include "client/follow.h"

struct submit {
	struct client client;
	/* The line: */
	struct run_words words; /* words.pipeline NULL: into a job that is there */
	const char **sets;
	const char *job_word, *name, *key, *delimiter;
	json_t *labels;
	char **paths;
	unsigned path_count;
	bool array, csv, infer, skip_invalid, keep_open, follow, results, remove;
	uint64_t patience_ms;

	char id[CLIENT_ID_SIZE];
	char own_key[32];
	struct chunks input; /* standard input */
	struct buf pipeline; /* read from it */
	bool has_source;     /* the pipeline makes its items itself */
	/* Readable when a signal has come or nobody reads the results. */
	int wake_fd, gone_fd;
	uint64_t drawn_ns; /* of the status line; 0: there is none */
	/* The writer of results: */
	pthread_t thread;
	bool writing;
	int stop_fd;
	struct remote *writer_remote;
	struct results_output output;
	struct follow follow_results;
	enum follow_result written;
};

/* All of them answer EXIT_OK, or the exit code, having said why. */
int submit_read_pipeline(struct submit *submit);
int submit_make_job(struct submit *submit);
int submit_check_files(struct submit *submit);
int submit_send(struct submit *submit);
int submit_start_results(struct submit *submit);
/* Waits for the job's end, if that is wanted; `code` is what it came to so far. */
int submit_end(struct submit *submit, int code);

/*
 * The server refuses what is sent from `where`. Where that is because the job has ended, its
 * end is what is said.
 */
int submit_refused(struct submit *submit, const struct remote_reply *reply, const char *where,
	uint64_t first_line);
/* The interrupted call's exit code: that of a signal, or of a reader that is gone. */
int submit_interrupted(struct submit *submit);
/* One line at the foot of a terminal, at most a few times a second; NULL takes it away. */
void submit_status(struct submit *submit, const char *text);
/* Is there to be one? */
bool submit_has_status(const struct submit *submit);
/* client_trouble(), `arg` being the submit. */
void submit_trouble(void *arg, const char *why);

#endif
