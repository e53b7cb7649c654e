#include "client/remote.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/library.h"
#include "client/patience.h"
#include "client/way.h"

#define CONNECT_MS 15000
#define WAIT_MS    60000
#define FDS_MAX    4
/* What is read and sent at a time; curl's own 16 KiB costs a fifth of the speed. */
#define PIECE_BYTES (256L << 10)

struct remote {
	CURLM *multi;
	CURL *easy;
	char *url, *token;
	char *shown_url; /* without a password, for people */
	struct way way;
	int interrupt_fd;
	bool loopback;
	/* The request under way: */
	const struct remote_request *request; /* NULL: none */
	struct curl_slist *headers;
	struct remote_reply reply;
	char why[CURL_ERROR_SIZE];
	bool begun; /* some of its body was read */
	bool over, too_large, out_of_memory;
	CURLcode result;
};

/* ---- where it is ---- */

static bool is_loopback(const char *host)
{
	return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
	       strcmp(host, "[::1]") == 0;
}

static int not_a_url(const char *url, const char *why, struct error *err)
{
	return error_set(err, ERR_BAD_REQUEST,
		"the server '%.120s': %s; give it as http://HOST:PORT or unix:/PATH", url, why);
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool found = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return found;
}

static int check_parts(struct remote *remote, CURLU *url, const char *given, struct error *err)
{
	char *scheme = NULL, *host = NULL;
	bool known;

	curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
	curl_url_get(url, CURLUPART_HOST, &host, 0);
	known = scheme != NULL && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	remote->loopback = host != NULL && is_loopback(host);
	curl_free(scheme);
	curl_free(host);
	if (!known)
		return not_a_url(given, "only http and https are spoken", err);
	if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT))
		return not_a_url(given, "there is something behind the path", err);
	return 0;
}

/* As text without a slash at the end; NULL without memory. */
static char *text_of(CURLU *url)
{
	char *text = NULL, *copy;
	size_t len;

	if (curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return NULL;
	len = strlen(text);
	while (len > 0 && text[len - 1] == '/')
		len--;
	copy = mem_strndup(text, len);
	curl_free(text);
	return copy;
}

static int parse_url(struct remote *remote, CURLU *url, const char *given, struct error *err)
{
	CURLUcode bad = curl_url_set(url, CURLUPART_URL, given,
		strstr(given, "://") == NULL ? CURLU_GUESS_SCHEME : CURLU_NON_SUPPORT_SCHEME);

	if (bad != CURLUE_OK)
		return not_a_url(given, curl_url_strerror(bad), err);
	if (check_parts(remote, url, given, err) < 0)
		return -1;
	remote->url = text_of(url);
	curl_url_set(url, CURLUPART_USER, NULL, 0);
	curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
	remote->shown_url = text_of(url);
	return remote->url != NULL && remote->shown_url != NULL ? 0 : error_no_memory(err);
}

static int set_url(struct remote *remote, const char *given, struct error *err)
{
	CURLU *url;
	int result;

	if (remote->way.socket != NULL) {
		remote->loopback = true;
		remote->url = mem_strdup("http://localhost");
		remote->shown_url = mem_strdup(given);
		return remote->url != NULL && remote->shown_url != NULL ? 0
									: error_no_memory(err);
	}
	url = curl_url();
	if (url == NULL)
		return error_no_memory(err);
	result = parse_url(remote, url, given, err);
	curl_url_cleanup(url);
	return result;
}

/* ---- life ---- */

int remote_open(struct remote **ret, const struct remote_config *config, struct error *err)
{
	struct remote *remote = mem_zalloc(sizeof(*remote));
	int result = -1;

	if (remote == NULL || library_init(err) < 0) {
		mem_free(remote);
		return error_no_memory(err);
	}
	remote->interrupt_fd = config->interrupt_fd;
	remote->multi = curl_multi_init();
	remote->easy = curl_easy_init();
	if (config->token != NULL)
		remote->token = mem_strdup(config->token);
	if (remote->multi == NULL || remote->easy == NULL ||
		(config->token != NULL && remote->token == NULL))
		error_no_memory(err);
	else if (way_init(&remote->way, config, err) == 0)
		result = set_url(
			remote, config->url != NULL ? config->url : REMOTE_DEFAULT, err);
	if (result < 0) {
		remote_close(remote);
		return -1;
	}
	*ret = remote;
	return 0;
}

static void forget_request(struct remote *remote)
{
	if (remote->request == NULL)
		return;
	curl_multi_remove_handle(remote->multi, remote->easy);
	curl_slist_free_all(remote->headers);
	remote->headers = NULL;
	remote->request = NULL;
}

void remote_close(struct remote *remote)
{
	if (remote == NULL)
		return;
	forget_request(remote);
	remote_reply_done(&remote->reply);
	curl_easy_cleanup(remote->easy);
	curl_multi_cleanup(remote->multi);
	mem_free(remote->url);
	mem_free(remote->shown_url);
	mem_free(remote->token);
	way_done(&remote->way);
	mem_free(remote);
	curl_global_cleanup();
}

const char *remote_url(const struct remote *remote)
{
	return remote->shown_url;
}

void remote_reply_done(struct remote_reply *reply)
{
	buf_done(&reply->body);
}

/* ---- what curl asks for ---- */

static size_t on_read(char *into, size_t size, size_t count, void *arg)
{
	struct remote *remote = arg;
	long got = remote->request->read(remote->request->arg, into, size * count);

	remote->begun = true;
	if (got >= 0)
		return (size_t)got;
	remote->reply.given_up = true;
	return CURL_READFUNC_ABORT;
}

/*
 * curl wants to send the body again: after a connection that broke, also that of the request
 * before (it remembers that, in 8.x even through curl_easy_reset()). What has begun is begun
 * again by our caller, who knows what was stored of it.
 */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	const struct remote *remote = arg;

	return offset == 0 && origin == SEEK_SET && !remote->begun ? CURL_SEEKFUNC_OK
								   : CURL_SEEKFUNC_FAIL;
}

static size_t keep(struct remote *remote, const char *bytes, size_t len)
{
	struct buf *body = &remote->reply.body;

	remote->too_large = body->len + len > REMOTE_BODY_MAX;
	if (remote->too_large)
		return 0;
	remote->out_of_memory = buf_append(body, bytes, len) < 0;
	return remote->out_of_memory ? 0 : len;
}

static size_t on_write(char *bytes, size_t size, size_t count, void *arg)
{
	struct remote *remote = arg;
	const struct remote_request *request = remote->request;
	long status = 0;

	curl_easy_getinfo(remote->easy, CURLINFO_RESPONSE_CODE, &status);
	if (request->write == NULL || status >= 300)
		return keep(remote, bytes, size * count);
	if (request->write(request->arg, bytes, size * count))
		return size * count;
	remote->reply.given_up = true;
	return 0;
}

/* ---- a request ---- */

static bool add_header(struct remote *remote, const char *name, const char *value)
{
	struct buf line = BUF_INIT;
	struct curl_slist *grown = NULL;

	if (value == NULL)
		return true;
	if (buf_printf(&line, "%s: %s", name, value) == 0)
		grown = curl_slist_append(remote->headers, line.data);
	buf_done(&line);
	if (grown != NULL)
		remote->headers = grown;
	return grown != NULL;
}

/* No "Expect: 100-continue": the server reads on at once, waiting would cost a second. */
static bool add_headers(struct remote *remote, const struct remote_request *request)
{
	struct curl_slist *grown = curl_slist_append(remote->headers, "Expect:");
	struct buf bearer = BUF_INIT;
	bool good = grown != NULL;

	if (good)
		remote->headers = grown;
	good = good && add_header(remote, "Accept", request->accept) &&
	       add_header(remote, "Content-Encoding", request->content_encoding) &&
	       add_header(remote, "Idempotency-Key", request->key) &&
	       add_header(remote, "Content-Type",
		       request->content_type != NULL ? request->content_type : "");
	if (remote->token != NULL)
		good = good && buf_printf(&bearer, "Bearer %s", remote->token) == 0 &&
		       add_header(remote, "Authorization", bearer.data);
	buf_done(&bearer);
	return good;
}

static void set_body(CURL *easy, const struct remote_request *request)
{
	if (request->read != NULL) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		return;
	}
	if (request->method == NULL || strcmp(request->method, "GET") == 0) {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
		return;
	}
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body != NULL ? request->body : "");
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
}

static void set_callbacks(struct remote *remote, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, remote->why);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(easy, CURLOPT_READDATA, remote);
	curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(easy, CURLOPT_SEEKDATA, remote);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, remote);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, remote->headers);
}

static void set_transport(struct remote *remote, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "leat/" LEAT_VERSION);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, PIECE_BYTES);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, PIECE_BYTES);
	way_apply(&remote->way, easy);
	if (remote->loopback) /* a proxy's own loopback is another one */
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
}

static bool set_target(struct remote *remote, CURL *easy, const struct remote_request *request)
{
	struct buf url = BUF_INIT;
	bool good = buf_printf(&url, "%s%s", remote->url, request->path) == 0 &&
		    curl_easy_setopt(easy, CURLOPT_URL, url.data) == CURLE_OK;

	buf_done(&url);
	return good;
}

int remote_start(struct remote *remote, const struct remote_request *request, struct error *err)
{
	CURL *easy = remote->easy;

	assert(remote->request == NULL);
	curl_easy_reset(easy); /* keeps the connection */
	remote_reply_done(&remote->reply);
	remote->reply = (struct remote_reply)REMOTE_REPLY_INIT;
	remote->begun = remote->over = remote->too_large = remote->out_of_memory = false;
	remote->why[0] = '\0';
	remote->request = request;
	if (!add_headers(remote, request) || !set_target(remote, easy, request)) {
		forget_request(remote);
		return error_no_memory(err);
	}
	set_transport(remote, easy);
	set_body(easy, request);
	set_callbacks(remote, easy);
	if (request->method != NULL)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	curl_multi_add_handle(remote->multi, easy);
	return 0;
}

/* ---- waiting ---- */

/* Let curl work on it; true when it is over. */
static bool perform(struct remote *remote)
{
	const CURLMsg *message;
	int running = 0, left;

	if (remote->request == NULL || remote->over)
		return remote->over;
	curl_multi_perform(remote->multi, &running);
	while ((message = curl_multi_info_read(remote->multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE) {
			remote->over = true;
			remote->result = message->data.result;
		}
	return remote->over;
}

/* One round of it, at most `ms` long; true when one of the descriptors can be read. */
static bool poll_once(struct remote *remote, const int *fds, unsigned fd_count, int ms)
{
	struct curl_waitfd waits[FDS_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < fd_count; i++)
		if (fds[i] >= 0)
			waits[count++] = (struct curl_waitfd){ .fd = fds[i],
				.events = CURL_WAIT_POLLIN };
	curl_multi_poll(remote->multi, waits, count, ms, NULL);
	for (unsigned i = 0; i < count; i++)
		if (waits[i].revents != 0)
			return true;
	return false;
}

enum remote_event remote_wait(
	struct remote *remote, const int *fds, unsigned fd_count, int timeout_ms)
{
	uint64_t until_ns = clock_mono_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	bool woken = false;

	assert(fd_count <= FDS_MAX);
	for (;;) {
		uint64_t now_ns = clock_mono_ns();

		if (perform(remote))
			return REMOTE_OVER;
		if (woken)
			return REMOTE_WOKEN;
		if (now_ns >= until_ns)
			return REMOTE_TIMEOUT;
		woken = poll_once(remote, fds, fd_count,
			(int)((until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS));
	}
}

/* ---- how it ended ---- */

static void read_reply(struct remote *remote)
{
	struct remote_reply *reply = &remote->reply;
	const char *type = NULL;
	curl_off_t retry_after = 0;
	long status = 0;

	curl_easy_getinfo(remote->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(remote->easy, CURLINFO_CONTENT_TYPE, &type);
	curl_easy_getinfo(remote->easy, CURLINFO_RETRY_AFTER, &retry_after);
	reply->status = (int)status;
	reply->retry_after_s = (unsigned)MIN(MAX(retry_after, (curl_off_t)0), (curl_off_t)3600);
	if (type != NULL)
		snprintf(reply->type, sizeof(reply->type), "%.*s", (int)strcspn(type, "; "),
			type);
}

static bool was_sent(CURLcode result)
{
	switch (result) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
		return false;
	default:
		return true;
	}
}

static bool may_pass(CURLcode result)
{
	switch (result) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
	case CURLE_SEND_FAIL_REWIND: /* curl wanted to try again by itself */
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return true;
	default:
		return false;
	}
}

static int explain(struct remote *remote, struct error *err)
{
	const char *why =
		remote->why[0] != '\0' ? remote->why : curl_easy_strerror(remote->result);
	const char *hint;

	if (remote->out_of_memory || remote->result == CURLE_OUT_OF_MEMORY)
		return error_no_memory(err);
	hint = way_hint(&remote->way, remote->result, why);
	if (hint != NULL)
		return error_set(
			err, ERR_BAD_REQUEST, "%s: %s; %s", remote->shown_url, why, hint);
	if (remote->too_large)
		return error_set(err, ERR_BODY_TOO_LARGE,
			"the reply of %s is larger than %zu MiB", remote->shown_url,
			REMOTE_BODY_MAX >> 20);
	switch (remote->result) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return error_set(err, ERR_BUSY,
			"no server answers at %s (%s); is it running there? --server or "
			"LEAT_SERVER says where it is",
			remote->shown_url, why);
	case CURLE_OPERATION_TIMEDOUT:
		return error_set(err, ERR_BUSY, "%s did not answer in time (%s)",
			remote->shown_url, why);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return error_set(err, ERR_BAD_REQUEST,
			"what answers at %s does not speak HTTP (%s)", remote->shown_url, why);
	default:
		return error_set(err, ERR_BUSY, "the connection to %s broke: %s",
			remote->shown_url, why);
	}
}

int remote_end(struct remote *remote, struct remote_reply *reply, struct error *err)
{
	bool over = remote->over;

	assert(remote->request != NULL);
	read_reply(remote);
	/* A NUL behind it, for those who read it as text. */
	if (buf_append(&remote->reply.body, "", 1) == 0)
		remote->reply.body.len--;
	else
		remote->out_of_memory = true;
	forget_request(remote);
	remote_reply_done(reply);
	*reply = remote->reply;
	remote->reply = (struct remote_reply)REMOTE_REPLY_INIT;
	remote->over = false;
	if (!over) {
		reply->sent = true;
		return error_set(err, ERR_BUSY, "interrupted");
	}
	if (remote->result == CURLE_OK && !remote->out_of_memory)
		return 0;
	reply->sent = was_sent(remote->result);
	reply->retry = may_pass(remote->result) && !remote->out_of_memory;
	return explain(remote, err);
}

static int call_once(struct remote *remote, const struct remote_request *request,
	struct remote_reply *reply, struct error *err)
{
	enum remote_event event;
	int result;

	if (remote_start(remote, request, err) < 0)
		return -1;
	do
		event = remote_wait(remote, &remote->interrupt_fd, 1, WAIT_MS);
	while (event == REMOTE_TIMEOUT);
	result = remote_end(remote, reply, err);
	reply->interrupted = event == REMOTE_WOKEN;
	return result;
}

/* Refused before anybody looked at it, so it may be sent again whatever it asks. */
static bool was_too_often(const struct remote_reply *reply)
{
	return reply->status == 429 && reply->body.len > 0 &&
	       strstr(reply->body.data, "/problems/rate-limited\"") != NULL;
}

int remote_call(struct remote *remote, const struct remote_request *request,
	struct remote_reply *reply, struct error *err)
{
	struct patience patience;
	unsigned wait_ms;

	patience_init(&patience, PATIENCE_DEFAULT_MS);
	for (;;) {
		if (call_once(remote, request, reply, err) < 0)
			return -1;
		if (!was_too_often(reply) || request->read != NULL || request->timeout_ms > 0 ||
			!patience_next(
				&patience, (uint64_t)reply->retry_after_s * 1000, &wait_ms))
			return 0;
		if (remote_wait(remote, &remote->interrupt_fd, 1, (int)wait_ms) == REMOTE_WOKEN)
			return 0;
	}
}

/* ---- text for a URL ---- */

int remote_escape(const char *text, struct buf *to)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";

	for (; *text != '\0'; text++) {
		int failed = strchr(plain, *text) != NULL
				     ? buf_append(to, text, 1)
				     : buf_printf(to, "%%%02X", (unsigned char)*text);

		if (failed < 0)
			return -1;
	}
	return 0;
}
