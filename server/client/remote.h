/*
 * remote: a leat server as its clients see it, over libcurl.
 *
 *	remote_open(&remote, &config, err)
 *	remote_call(remote, &request, &reply, err)       a request and its whole reply
 *	remote_start() … remote_wait() … remote_end()    the same, with other things to wait for
 *	remote_close(remote)
 *
 * One request at a time, over one connection that is kept. A reply of any status is a reply;
 * an error is when there was none, and then `reply.retry` says whether the same request may
 * do better later. Nothing here prints and nothing is tried twice: see client/patience.h.
 *
 * Thread: one.
 */
#ifndef LEAT_CLIENT_REMOTE_H
#define LEAT_CLIENT_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define REMOTE_DEFAULT "http://127.0.0.1:8080"

struct remote;

struct remote_config {
	/* http://HOST:PORT, https://…, HOST:PORT, or unix:/PATH; NULL: REMOTE_DEFAULT */
	const char *url;
	const char *token;  /* NULL: none */
	const char *cacert; /* see client/way.h; NULL: none */
	const char *cert, *key;
	/*
	 * When this descriptor can be read, a call ends with `interrupted`; -1: none. Its bytes
	 * stay where they are.
	 */
	int interrupt_fd;
};

struct remote_request {
	const char *method; /* NULL: GET */
	const char *path;   /* "/v1/jobs?limit=1", as it goes over the wire */
	const char *accept, *content_type, *content_encoding, *key;
	const char *body; /* borrowed; NULL: none, or read() */
	size_t body_len;
	/* A body in pieces: bytes written to `into`, 0 at its end, negative to give up. */
	long (*read)(void *arg, char *into, size_t size);
	/* A 2xx reply as it comes; false gives up. NULL: it goes into reply.body. */
	bool (*write)(void *arg, const char *bytes, size_t len);
	void *arg;
	unsigned timeout_ms; /* for all of it; 0: none */
};

struct remote_reply {
	int status;
	struct buf body; /* of a reply that was not written elsewhere; ends with a NUL byte */
	char type[64];   /* Content-Type, without parameters */
	unsigned retry_after_s; /* 0: not said */
	/* Where there was no reply, or not all of it: */
	bool retry;       /* the connection is the reason */
	bool sent;        /* the server may have acted upon the request */
	bool interrupted; /* by interrupt_fd */
	bool given_up;    /* by read() or write() */
};
#define REMOTE_REPLY_INIT        \
	{                        \
		.body = BUF_INIT \
	}

/* How large a reply that goes into reply.body may be. */
#define REMOTE_BODY_MAX ((size_t)256 << 20)

/* ERR_BAD_REQUEST: the URL; ERR_NO_MEMORY. */
int remote_open(struct remote **ret, const struct remote_config *config, struct error *err);
void remote_close(struct remote *remote);
/* Without password and without a slash at the end. */
const char *remote_url(const struct remote *remote);

/* The whole of it. Where the server says that there were too many requests, it waits as long as
 * that says and sends it again, unless the request has a timeout or a body in pieces. */
int remote_call(struct remote *remote, const struct remote_request *request,
	struct remote_reply *reply, struct error *err);

/* `request` and what it points to must live until remote_end(). */
int remote_start(
	struct remote *remote, const struct remote_request *request, struct error *err);
enum remote_event {
	REMOTE_OVER,    /* the request: remote_end() says how */
	REMOTE_TIMEOUT, /* nothing for so long */
	REMOTE_WOKEN,   /* one of the descriptors can be read */
};
/* With no request under way it waits for the other two only. A descriptor of -1 is none. */
enum remote_event remote_wait(
	struct remote *remote, const int *fds, unsigned fd_count, int timeout_ms);
/* Its reply; a request that is not over yet is cut off. */
int remote_end(struct remote *remote, struct remote_reply *reply, struct error *err);

void remote_reply_done(struct remote_reply *reply);

/* Append `text` so that it can stand in a path or a query; -1 without memory. */
int remote_escape(const char *text, struct buf *to);

#endif
