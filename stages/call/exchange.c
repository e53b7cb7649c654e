#include "call/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE 8192 /* libcurl reads so much at once; one for each request under way */
#define BODY_KEEP   4096

static int fail(struct exchange_failure *ret, enum stage_failure kind, const char *text)
{
	ret->kind = kind;
	snprintf(ret->text, sizeof(ret->text), "%s", text);
	return -1;
}

static int fail_why(struct exchange_failure *ret, const struct template_why *why)
{
	return fail(ret, why->no_memory ? STAGE_TRANSIENT : STAGE_PERMANENT, why->text);
}

/* ---- making it ---- */

/* Every secret of the job must be for this host. */
static const char *check_secrets(const struct exchange *exchange, char *why, size_t size)
{
	const struct call_def *def = exchange->def;

	for (size_t i = 0; i < def->secret_count; i++)
		if (!secret_allows(def->secrets[i], &exchange->target)) {
			snprintf(why, size, "the secret '%.60s' is not for the host '%.100s'",
				def->secrets[i]->name, exchange->target.host);
			return why;
		}
	return NULL;
}

/* Checked as the first one and as each that a redirect leads to. */
static int set_url(struct exchange *exchange, const char *text, struct exchange_failure *ret)
{
	const char *mistake;
	char why[200];

	if (exchange->url == NULL)
		exchange->url = curl_url();
	if (exchange->url == NULL)
		return fail(ret, STAGE_TRANSIENT, "no memory");
	switch (curl_url_set(exchange->url, CURLUPART_URL, text, 0)) {
	case CURLUE_OK:
		break;
	case CURLUE_OUT_OF_MEMORY:
		return fail(ret, STAGE_TRANSIENT, "no memory");
	default:
		return fail(ret, STAGE_PERMANENT, "this is no URL that can be asked for");
	}
	mistake = hosts_check(&exchange->def->config->hosts, exchange->url, &exchange->target,
		why, sizeof(why));
	if (mistake == NULL)
		return 0;
	return fail(
		ret, mistake == hosts_no_memory ? STAGE_TRANSIENT : STAGE_PERMANENT, mistake);
}

static int append(struct exchange *exchange, const char *line)
{
	struct curl_slist *more = curl_slist_append(exchange->headers, line);

	if (more == NULL)
		return -1;
	exchange->headers = more;
	return 0;
}

/* "Name: value"; libcurl wants "Name;" for one without a value. */
static int add_header(struct exchange *exchange, const struct call_header *header,
	struct stage_slice item, struct exchange_failure *ret)
{
	struct stage_text line = { 0 };
	struct template_why why;
	size_t begin;
	int done;

	stage_text_puts(&line, header->name);
	stage_text_puts(&line, ": ");
	begin = line.len;
	if (template_write(&header->value, item, &line, &why) < 0) {
		done = fail_why(ret, &why);
	} else {
		if (line.len == begin && !line.no_memory)
			line.at[begin - 2] = ';', line.len = begin - 1;
		done = stage_text_end(&line) == NULL || append(exchange, line.at) < 0
			       ? fail(ret, STAGE_TRANSIENT, "no memory")
			       : 0;
	}
	if (line.at != NULL && header->sensitive)
		explicit_bzero(line.at, line.capacity);
	stage_text_done(&line);
	return done;
}

static bool has_header(const struct call_def *def, const char *name)
{
	for (size_t i = 0; i < def->header_count; i++)
		if (strcasecmp(def->headers[i].name, name) == 0)
			return true;
	return false;
}

/* Ours, which are not the job's business: no wait for "100 Continue", the type, the trace. */
static int add_own(struct exchange *exchange, const char *traceparent)
{
	const struct call_def *def = exchange->def;
	char line[200];

	if (append(exchange, "Expect:") < 0)
		return -1;
	if (def->content_type != NULL && def->has_body) {
		snprintf(line, sizeof(line), "Content-Type: %s", def->content_type);
		if (append(exchange, line) < 0)
			return -1;
	}
	if (traceparent == NULL || has_header(def, "traceparent"))
		return 0;
	snprintf(line, sizeof(line), "traceparent: %s", traceparent);
	return append(exchange, line);
}

static int make_headers(struct exchange *exchange, struct stage_slice item,
	const char *traceparent, struct exchange_failure *ret)
{
	const struct call_def *def = exchange->def;

	if (add_own(exchange, traceparent) < 0)
		return fail(ret, STAGE_TRANSIENT, "no memory");
	for (int sensitive = 0; sensitive < 2; sensitive++) {
		for (size_t i = 0; i < def->header_count; i++)
			if (def->headers[i].sensitive == (sensitive != 0) &&
				add_header(exchange, &def->headers[i], item, ret) < 0)
				return -1;
		if (sensitive == 0)
			for (exchange->last_plain = exchange->headers;
				exchange->last_plain->next != NULL;)
				exchange->last_plain = exchange->last_plain->next;
	}
	return 0;
}

static int init(struct exchange *exchange, const struct call_def *def)
{
	*exchange = (struct exchange){ .def = def, .redirects_left = def->redirects };
	return 0;
}

static int make_rest(struct exchange *exchange, struct stage_slice item,
	const char *traceparent, struct exchange_failure *ret)
{
	const char *mistake;
	char why[200];

	mistake = check_secrets(exchange, why, sizeof(why));
	if (mistake != NULL)
		return fail(ret, STAGE_PERMANENT, mistake);
	return make_headers(exchange, item, traceparent, ret);
}

int exchange_init_url(struct exchange *exchange, const struct call_def *def, const char *url,
	struct stage_slice item, const char *traceparent, struct exchange_failure *ret)
{
	init(exchange, def);
	if (set_url(exchange, url, ret) < 0)
		return -1;
	return make_rest(exchange, item, traceparent, ret);
}

int exchange_init(struct exchange *exchange, const struct call_def *def,
	struct stage_slice item, const char *traceparent, struct exchange_failure *ret)
{
	struct stage_text url = { 0 };
	struct template_why why;
	int done;

	init(exchange, def);
	if (template_write(&def->url, item, &url, &why) < 0)
		done = fail_why(ret, &why);
	else
		done = set_url(exchange, url.at, ret);
	stage_text_done(&url);
	if (done == 0)
		done = make_rest(exchange, item, traceparent, ret);
	if (done < 0 || !def->has_body)
		return done;
	return template_write(&def->body, item, &exchange->body, &why) == 0
		       ? 0
		       : fail_why(ret, &why);
}

void exchange_set_body(struct exchange *exchange, struct stage_text *take)
{
	stage_text_done(&exchange->body);
	exchange->body = *take;
	*take = (struct stage_text){ 0 };
}

static void let_go(struct exchange *exchange)
{
	atomic_fetch_sub(&exchange->def->config->shared->held, exchange->held);
	exchange->held = 0;
	stage_text_done(&exchange->answer);
}

void exchange_done(struct exchange *exchange)
{
	if (exchange->def == NULL)
		return;
	let_go(exchange);
	curl_url_cleanup(exchange->url);
	curl_slist_free_all(exchange->headers);
	stage_text_done(&exchange->body);
	*exchange = (struct exchange){ 0 };
}

/* ---- what libcurl calls ---- */

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct exchange *exchange = arg;

	if (exchange->on_resolved != NULL)
		exchange->on_resolved(exchange, true);
	if (!hosts_allow_address(&exchange->def->config->hosts, &exchange->target,
		    &address->addr, exchange->address)) {
		exchange->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A connection is there, new or an old one: nothing is left to resolve. */
static int about_to_ask(void *arg, char *primary, char *local, int primary_port, int local_port)
{
	struct exchange *exchange = arg;

	if (exchange->on_resolved != NULL)
		exchange->on_resolved(exchange, false);
	return CURL_PREREQFUNC_OK;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct exchange *exchange = arg;
	const struct call_def *def = exchange->def;
	atomic_size_t *held = &def->config->shared->held;
	size_t len = size * count, before = exchange->answer.capacity;

	if (exchange->answer.len + len > (size_t)def->response_max) {
		exchange->too_large = true;
		return 0;
	}
	if (atomic_load(held) + len > (size_t)def->config->held_max) {
		exchange->crowded = true;
		return 0;
	}
	stage_text_put(&exchange->answer, bytes, len);
	exchange->held += exchange->answer.capacity - before;
	atomic_fetch_add(held, exchange->answer.capacity - before);
	return exchange->answer.no_memory ? 0 : len;
}

/* ---- arming ---- */

static void set_method(const struct exchange *exchange, CURL *easy)
{
	const char *method = exchange->as_get ? "GET" : exchange->def->method;
	bool body = exchange->def->has_body && !exchange->as_get;

	if (strcmp(method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (body || strcmp(method, "POST") == 0) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
			(curl_off_t)(body ? exchange->body.len : 0));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body ? exchange->body.at : "");
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_version(const struct exchange *exchange, CURL *easy)
{
	bool secure = strncmp(exchange->target.origin, "https:", 6) == 0;
	bool old = strcmp(exchange->def->version, "1.1") == 0;

	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
		old ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
	/* Rather wait a moment for a connection that many can share than make another. */
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, secure && !old ? 1L : 0L);
}

static void set_callbacks(struct exchange *exchange, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, about_to_ask);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->error);
}

/* Nobody's proxy, nobody's cookies, no signals, and a resolver that may be left alone. */
static void set_world(const struct call_config *config, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_SIZE);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)config->silence_s);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, config->user_agent);
	if (config->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
}

int exchange_arm(struct exchange *exchange, CURL *easy)
{
	exchange->easy = easy;
	exchange->error[0] = '\0';
	exchange->too_large = exchange->crowded = exchange->refused = false;
	set_world(exchange->def->config, easy);
	set_method(exchange, easy);
	set_version(exchange, easy);
	set_callbacks(exchange, easy);
	curl_easy_setopt(
		easy, CURLOPT_CONNECTTIMEOUT_MS, (long)exchange->def->connect_timeout_ms);
	if (curl_easy_setopt(easy, CURLOPT_CURLU, exchange->url) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "") != CURLE_OK)
		return -1;
	return 0;
}

/* ---- its end ---- */

static enum exchange_next failed(
	const struct exchange *exchange, struct exchange_failure *ret, const char *text)
{
	ret->kind = STAGE_TRANSIENT;
	snprintf(ret->text, sizeof(ret->text), "%.100s: %.180s", exchange->target.host, text);
	return EXCHANGE_FAILED;
}

static enum exchange_next failed_for_good(
	const struct exchange *exchange, struct exchange_failure *ret, const char *text)
{
	failed(exchange, ret, text);
	ret->kind = STAGE_PERMANENT;
	return EXCHANGE_FAILED;
}

static enum exchange_next no_answer(
	struct exchange *exchange, CURLcode code, struct exchange_failure *ret)
{
	char text[180];

	if (exchange->too_large) {
		snprintf(text, sizeof(text),
			"the response has more than %lld bytes (response_max)",
			(long long)exchange->def->response_max);
		return failed_for_good(exchange, ret, text);
	}
	if (exchange->crowded)
		return failed(exchange, ret, "too many bytes of responses at once (held_max)");
	if (exchange->refused) {
		snprintf(text, sizeof(text),
			"its address %s is in no network that the operator allows in "
			"stages.d/http.json",
			exchange->address);
		return failed_for_good(exchange, ret, text);
	}
	call_def_blank(exchange->def, exchange->error, strlen(exchange->error));
	return failed(exchange, ret,
		exchange->error[0] != '\0' ? exchange->error : curl_easy_strerror(code));
}

/* A body must not go where its secret is not for; sensitive headers stay behind. */
static int leave_origin(struct exchange *exchange, const char *before)
{
	if (strcmp(before, exchange->target.origin) == 0)
		return 0;
	curl_slist_free_all(exchange->last_plain->next);
	exchange->last_plain->next = NULL;
	return exchange->def->body.has_secrets && !exchange->as_get ? -1 : 0;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 ||
	       status == 308;
}

static enum exchange_next follow(struct exchange *exchange, struct exchange_failure *ret)
{
	struct exchange_failure why;
	char before[sizeof(exchange->target.origin)], text[300];
	const char *location = NULL, *method = exchange->def->method;

	curl_easy_getinfo(exchange->easy, CURLINFO_REDIRECT_URL, &location);
	if (location == NULL)
		return EXCHANGE_ANSWERED;
	if (exchange->redirects_left-- == 0)
		return failed_for_good(exchange, ret, "it redirects too often (redirects)");
	memcpy(before, exchange->target.origin, sizeof(before));
	if (set_url(exchange, location, &why) < 0) {
		snprintf(text, sizeof(text), "redirects to where it may not: %.200s", why.text);
		call_def_blank(exchange->def, text, strlen(text));
		failed_for_good(exchange, ret, text);
		ret->kind = why.kind;
		return EXCHANGE_FAILED;
	}
	if (strcmp(method, "HEAD") != 0 &&
		(exchange->status == 303 ||
			(exchange->status < 303 && strcmp(method, "POST") == 0)))
		exchange->as_get = true;
	if (leave_origin(exchange, before) < 0)
		return failed_for_good(
			exchange, ret, "a body with a secret would be sent to another origin");
	let_go(exchange);
	return EXCHANGE_AGAIN;
}

enum exchange_next exchange_end(
	struct exchange *exchange, CURLcode code, struct exchange_failure *ret)
{
	exchange->status = 0;
	if (code != CURLE_OK)
		return no_answer(exchange, code, ret);
	curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &exchange->status);
	if (stage_text_end(&exchange->answer) == NULL)
		return failed(exchange, ret, "no memory");
	call_def_blank(exchange->def, exchange->answer.at, exchange->answer.len);
	if (exchange->def->redirects > 0 && is_redirect(exchange->status))
		return follow(exchange, ret);
	return EXCHANGE_ANSWERED;
}

/* One line of what people can read. */
static void first_words(const struct stage_text *answer, char *to, size_t size)
{
	size_t len = answer->len < size - 1 ? answer->len : size - 1, out = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)answer->at[i];

		if (c > ' ' && c < 127)
			to[out++] = (char)c;
		else if (out > 0 && to[out - 1] != ' ')
			to[out++] = ' ';
	}
	to[out] = '\0';
}

void exchange_describe(const struct exchange *exchange, struct exchange_failure *ret)
{
	char words[140];

	first_words(&exchange->answer, words, sizeof(words));
	snprintf(ret->text, sizeof(ret->text), "HTTP %ld from %.100s%s%s", exchange->status,
		exchange->target.host, words[0] != '\0' ? ": " : "", words);
}

uint64_t exchange_retry_after_ms(const struct exchange *exchange)
{
	curl_off_t seconds = 0;

	if (exchange->easy == NULL ||
		curl_easy_getinfo(exchange->easy, CURLINFO_RETRY_AFTER, &seconds) != CURLE_OK ||
		seconds <= 0)
		return 0;
	return seconds > 1000000 ? 1000000000 : (uint64_t)seconds * 1000;
}
