/*
 * outlet: values of a job on their way to one client.
 *
 *	reader ─► page ─► outlet_read() ─► the library's buffer
 *	  ▲                    │ nothing there: READ_WAIT
 *	  └── fetch ◄── an event of the job
 *
 * Plain lines of results are copied from the page as they are, many at once; every other form
 * is rendered value by value into a small buffer. An idle follower keeps neither page nor
 * buffer. How much is read ahead grows with a client that reads fast, up to 1 MiB.
 *
 * Thread: loop. The outlet is its owner's storage; it must not move while open.
 */
#ifndef LEAT_HTTP_OUTLET_H
#define LEAT_HTTP_OUTLET_H

#include "engine/reader.h"
#include "http/render.h"

struct outlet {
	/* The owner sets these before outlet_open(). */
	struct render render;    /* job, log, form, envelope, sheet; outlet_close() ends it */
	bool follow;             /* stay until the job is done */
	uint64_t limit;          /* values at most; UINT64_MAX: all */
	void (*wake)(void *arg); /* outlet_read() is worth a try */
	void *arg;

	struct reader *reader;
	struct job_watch watch;
	uint64_t until; /* without follow: up to here; UINT64_MAX: not fixed yet */
	uint64_t left;  /* of limit, beyond the page */
	uint64_t sent;  /* values handed out, page included */
	const struct page *page;
	size_t run, offset; /* in the page */
	uint32_t index;
	struct buf out; /* rendered */
	size_t at;
	size_t page_bytes;
	uint64_t page_ns; /* when the page came */
	struct error err; /* of a fetch */
	bool fetching, begun, over, failed, cut;
	bool dry; /* all that was committed has been read */
};

/* Takes a reference on the job. Errors: ERR_BAD_CURSOR, ERR_RESULTS_EXPIRED, ERR_NO_MEMORY. */
int outlet_open(struct outlet *outlet, uint64_t next, struct error *err);
void outlet_close(struct outlet *outlet);

/* Read the first page; `wake` says that it is there, or that there is none. */
void outlet_start(struct outlet *outlet);
/* Has the first page come, or failed? And is there a value in it? */
bool outlet_is_started(const struct outlet *outlet);
bool outlet_has_values(const struct outlet *outlet);
/* Everything that will be here has been sent, and the job is done. */
bool outlet_is_at_end(const struct outlet *outlet);
/* End as soon as what is in hand was sent. */
void outlet_finish(struct outlet *outlet);

/* Bytes, or READ_WAIT, READ_END, READ_CUT of http/request.h. */
ssize_t outlet_read(struct outlet *outlet, char *to, size_t max);
/* A line of comment for an event stream, if nothing is on its way. */
void outlet_comment(struct outlet *outlet, const char *text);

#endif
