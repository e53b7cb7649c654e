/*
 * upload: items on their way to a job, whatever happens to the connection or the server.
 *
 * NDJSON goes in chunks of whole lines, each a request with the same Idempotency-Key and the
 * line at which it begins; a chunk is let go of when the server has it on disk. If one breaks,
 * it is sent again, and the server passes over what it had of it: nothing is lost, nothing
 * doubled. What cannot be cut at lines (a JSON document, a compressed file) is one request,
 * sent again whole.
 *
 *	upload_open(&upload, …); upload_lines(&upload, fd) or upload_whole(&upload, fd)
 *
 * Thread: one.
 */
#ifndef LEAT_CLIENT_UPLOAD_H
#define LEAT_CLIENT_UPLOAD_H

#include "client/chunks.h"
#include "client/patience.h"
#include "client/remote.h"

/* How much of a document that cannot be read twice is kept. */
#define UPLOAD_KEPT_MAX ((size_t)64 << 20)

struct upload_config {
	struct remote *remote;
	const char *job;      /* its id */
	const char *key;      /* Idempotency-Key */
	bool json;            /* a JSON document, not a line an item */
	bool csv;             /* a row an item */
	const char *query;    /* "&infer=true", how CSV is read; NULL */
	const char *encoding; /* "gzip", "zstd", NULL */
	bool skip_invalid;
	bool resume; /* the key may have been used before: ask how far it came */
	uint64_t patience_ms;
	int interrupt_fd; /* -1: none */
	void *arg;
	/* What has been stored so far, after each chunk. */
	void (*progress)(void *arg, uint64_t lines, uint64_t bytes);
	/* It is being tried again because of this (NULL: it goes on). */
	void (*trouble)(void *arg, const char *why);
	/* A line that was passed over, from 1. */
	void (*invalid)(void *arg, uint64_t line, const char *why);
};

enum upload_result {
	UPLOAD_STORED,
	UPLOAD_REFUSED,     /* by the server: `reply`, whose lines begin at `first_line` */
	UPLOAD_UNREACHABLE, /* the patience is over: err */
	UPLOAD_UNREADABLE,  /* what is to be sent: err */
	UPLOAD_INTERRUPTED,
};

struct upload {
	struct upload_config config;
	struct patience patience;
	struct remote_reply reply; /* the last one */
	uint64_t first_line;
	/* In all: */
	uint64_t accepted, duplicates, rejected, lines, bytes;
	struct error err;
};

void upload_init(struct upload *upload, const struct upload_config *config);
void upload_done(struct upload *upload);
/* All that `chunks` has. */
enum upload_result upload_lines(struct upload *upload, struct chunks *chunks);
/* All that the descriptor has, in one request. */
enum upload_result upload_whole(struct upload *upload, int fd);
/* A POST without a body that may be sent twice, such as …/close, as patiently. */
enum upload_result upload_post(struct upload *upload, const char *path);

#endif
