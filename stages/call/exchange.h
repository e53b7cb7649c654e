/*
 * exchange: one request and its response, on an easy handle of libcurl's.
 *
 *	exchange_init → exchange_arm → (libcurl, on whatever thread) → exchange_end → …_done
 *
 * exchange_end() may say EXCHANGE_AGAIN: a redirect to an allowed host is to be followed; arm
 * and run again. Redirects are never libcurl's business, so that each hop is checked like the
 * first, and what is secret goes to the first origin only.
 *
 * What may be connected to is decided where the socket is made, on the address itself.
 * Proxies, .netrc, cookies and the environment have no part in it.
 */
#ifndef LEAT_CALL_EXCHANGE_H
#define LEAT_CALL_EXCHANGE_H

#include <netinet/in.h>

#include "call/call_def.h"

struct exchange {
	const struct call_def *def;
	CURL *easy; /* while it is under way */
	CURLU *url;
	struct target target;
	struct curl_slist *headers, *last_plain; /* those behind it are sensitive */
	struct stage_text body, answer;
	bool as_get; /* a redirect has made it one */
	int64_t redirects_left;
	size_t held; /* of the answer, as call_shared counts it */
	long status;
	char error[CURL_ERROR_SIZE];
	/* Why it was ended from our side. */
	bool too_large, crowded, refused;
	char address[INET6_ADDRSTRLEN];
	/* Called when names are resolved: freshly, or because there is a connection already. */
	void (*on_resolved)(struct exchange *exchange, bool fresh);
};

/* What became of it, where it is no answer. */
struct exchange_failure {
	enum stage_failure kind;
	char text[300];
};

enum exchange_next { EXCHANGE_ANSWERED, EXCHANGE_AGAIN, EXCHANGE_FAILED };

/* Makes the request for an item. -1: *ret says why not. exchange_done() is right in any case.
 */
int exchange_init(struct exchange *exchange, const struct call_def *def,
	struct stage_slice item, const char *traceparent, struct exchange_failure *ret);
/* The same for a URL that is known already; `item` is for the headers. */
int exchange_init_url(struct exchange *exchange, const struct call_def *def, const char *url,
	struct stage_slice item, const char *traceparent, struct exchange_failure *ret);
/* Instead of the template's body. */
void exchange_set_body(struct exchange *exchange, struct stage_text *take);
void exchange_done(struct exchange *exchange);

/* Prepare the handle, which is a fresh or a reset one. -1 without memory. */
int exchange_arm(struct exchange *exchange, CURL *easy);
/* libcurl is through with it. */
enum exchange_next exchange_end(
	struct exchange *exchange, CURLcode code, struct exchange_failure *ret);

/* "HTTP 503 from api.example.com: the first words of its body". */
void exchange_describe(const struct exchange *exchange, struct exchange_failure *ret);
/* What it asked us to wait; 0: nothing. */
uint64_t exchange_retry_after_ms(const struct exchange *exchange);

#endif
