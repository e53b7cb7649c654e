#include "http/server.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/role.h"
#include "http/caller.h"
#include "http/events.h"
#include "http/guard.h"
#include "http/internal.h"
#include "http/limbs.h"
#include "http/request.h"
#include "http/socket.h"
#include "http/tokens.h"

#define TICK_MS     1000
#define TICKS_ALIVE 2  /* between two looks for vanished clients */
#define RUNS_MAX    64 /* of the library at once, before others on the loop have their turn */

const struct http_config http_config_default = {
	.connections_max = 16384,
	.connection_memory = 64 << 10,
	.head_max = 32 << 10,
	.idle_timeout_s = 120,
	.header_ms = 10000,
	.min_rate = 100,
	.slow_ms = 60000,
	.body_max = 1 << 20,
	.ratio_max = 1000,
	.discard_max = 1ull << 30,
	.discard_ms = 10000,
	.sse_comment_ms = 15000,
	.sse_max = 4096,
	.followers_max = 10000,
	.page_limit_max = 1000,
	.audit_log = true,
	.tokens = "",
	.hosts = "",
	.cors_origins = "",
};

/* ---- what the library calls ---- */

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
	enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		caller_begin(arg, connection, context);
	else
		caller_end(context);
}

static void *on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
	struct request *request;
	struct caller *caller = caller_of(connection);
	char *query = strchr(target, '?');

	if (caller == NULL)
		return NULL;
	caller_speaks(caller);

	/* We read the query ourselves. The library would too, and where a thousand parameters
	 * do not fit into its memory, 0.9.75 forgets the connection without a word. */
	request = request_new(arg, connection, target);
	if (query != NULL)
		query[1] = '\0';
	return request;
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *bytes, size_t *len, void **state)
{
	struct http_server *server = arg;

	if (*state == NULL || server->stopping)
		return MHD_NO;
	return request_step(*state, method, version, bytes, len);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode how)
{
	if (*state != NULL)
		request_end(*state);
	*state = NULL;
}

/* Decoding is the router's; the library has nothing to decode. */
static size_t keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
	return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void on_log(
	void *arg, const char *format, va_list args)
{
	struct http_server *server = arg;
	char text[300];
	unsigned skipped;

	if (!log_allowed(&server->log_limit, 5, &skipped))
		return;
	vsnprintf(text, sizeof(text), format, args);
	log_debug("http_library", "skipped=%u text=\"%s\"", skipped, text);
}

/* ---- the loop's side ---- */

static void arm_timer(struct http_server *server);
static void run(struct http_server *server);

static void on_library_timeout(uv_timer_t *timer)
{
	run(timer->data);
	arm_timer(timer->data);
}

/* The library says when it wants to be called at the latest; an earlier call does no harm. */
static void arm_timer(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG wait_ms = UINT64_MAX, one_ms;
	uint64_t due_ms;

	if (server->stopping)
		return;
	for (unsigned at = 0; at < server->listener_count; at++)
		if (MHD_get_timeout(server->listeners[at].daemon, &one_ms) == MHD_YES)
			wait_ms = MIN(wait_ms, one_ms);
	if (wait_ms == UINT64_MAX)
		return;
	due_ms = uv_now(server->loop) + wait_ms;
	if (uv_is_active((uv_handle_t *)&server->timer) && server->timer_due_ms <= due_ms)
		return;
	server->timer_due_ms = due_ms;
	uv_timer_start(&server->timer, on_library_timeout, wait_ms, 0);
}

static void run_once(struct http_server *server)
{
	for (unsigned at = 0; at < server->listener_count; at++)
		MHD_run(server->listeners[at].daemon);
}

/* Before the library compares its own clock, which goes on, with what it has seen of them. */
static void excuse_callers(struct http_server *server)
{
	uint64_t stood_ns;

	clock_mono_ns(); /* notices it */
	stood_ns = clock_stood_ns();
	if (stood_ns == server->stood_ns)
		return;
	server->stood_ns = stood_ns;
	if (server->config.idle_timeout_s > 0)
		callers_excuse(&server->callers, server->config.idle_timeout_s);
}

static void run(struct http_server *server)
{
	unsigned runs = 0;

	excuse_callers(server);
	do {
		server->kicked = false;
		run_once(server);
	} while (server->kicked && ++runs < RUNS_MAX && !server->stopping);
	callers_park(&server->callers);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	const struct listener *listener = poll->data;

	run(listener->server);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct http_server *server = prepare->data;

	if (server->kicked)
		run(server);
	if (server->kicked) {
		server->timer_due_ms = 0;
		uv_timer_start(&server->timer, on_library_timeout, 0, 0);
		return;
	}
	arm_timer(server);
}

void http_server_kick(struct http_server *server)
{
	server->kicked = true;
}

/* ---- once a second ---- */

static int socket_of(const struct request *request)
{
	return MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
		->connect_fd;
}

static bool has_vanished(const struct request *request)
{
	struct pollfd look = { .fd = socket_of(request), .events = POLLRDHUP };

	/* Who shuts only his side down is gone for the library too, once it reads that far. */
	return poll(&look, 1, 0) == 1;
}

/* Half a body, and no more will come: nothing is left to be read. */
static bool is_torn(const struct request *request)
{
	int waiting = 0;

	return !request->finished && !caller_has_pending(caller_of(request->connection)) &&
	       ioctl(socket_of(request), FIONREAD, &waiting) == 0 && waiting == 0;
}

/*
 * The library does not look at suspended connections; a follower would stay for ever. Nor does
 * it see an end that came together with the last bytes before it: it was told once and has not
 * read that far. A shutdown tells it again.
 */
static void look_for_vanished(struct http_server *server)
{
	LIST_EACH(&server->requests, link)
	{
		struct request *request = LIST_ENTRY(link, struct request, link);

		if (!has_vanished(request))
			continue;
		if (request->suspended)
			request_vanish(request);
		else if (is_torn(request))
			caller_cut(request->connection);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct http_server *server = timer->data;
	uint64_t now_ns = clock_mono_ns();

	LIST_EACH(&server->requests, link)
	request_tick(LIST_ENTRY(link, struct request, link), now_ns);
	peers_tick(&server->peers, now_ns);
	callers_tick(&server->callers, server->config.idle_timeout_s * NS_PER_S, now_ns);
	if (++server->ticks % TICKS_ALIVE == 0)
		look_for_vanished(server);
}

/* ---- start ---- */

/* Returns how many connections the library may take: some more than are welcome. */
static unsigned bound_peers(struct http_server *server)
{
	const struct http_config *config = &server->config;
	unsigned wanted = config->connections_max, here = config->connections_per_address;
	unsigned have = socket_reserve(wanted + PEERS_SPARE);
	unsigned limit = MIN(wanted, have - MIN(have / 2, (unsigned)PEERS_SPARE));

	if (limit < wanted)
		log_warn("descriptors",
			"wanted=%u have=%u hint=\"raise the limit of open files\"", wanted,
			limit);
	peers_init(
		&server->peers, &(struct peers_bounds){
					.connections_max = limit,
					.per_address = here > 0 ? here : MAX(limit / 2, 256u),
					.header_ms = config->header_ms,
					.idle_timeout_s = config->idle_timeout_s,
				});
	return limit + PEERS_SPARE;
}

static int start_daemon(struct listener *listener, unsigned limit, struct error *err)
{
	struct http_server *server = listener->server;
	const struct http_config *config = &server->config;
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

	listener->tls = server->tls != NULL && !listener->is_unix;
	listener->limit = limit;
	errno = 0;
	listener->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET |
			MHD_USE_ERROR_LOG | (listener->tls ? MHD_USE_TLS : 0),
		0, NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
		MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		config->connection_memory, MHD_OPTION_CONNECTION_TIMEOUT,
		config->idle_timeout_s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_URI_LOG_CALLBACK,
		on_target, server, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
		MHD_OPTION_ARRAY, listener->tls ? tls_daemon_options : none, MHD_OPTION_END);
	if (listener->daemon != NULL)
		return 0;
	return errno == ENOMEM
		       ? error_no_memory(err)
		       : error_set(err, ERR_INTERNAL, "libmicrohttpd does not start: %s",
				 errno == 0 ? "it does not say why" : strerror(errno));
}

static int start_listeners(struct http_server *server, struct error *err)
{
	const struct http_config *config = &server->config;
	unsigned limit = bound_peers(server);

	for (unsigned at = 0; at < config->place_count; at++) {
		struct listener *listener = &server->listeners[at];

		if (listener_open(listener, server, &config->places[at], err) < 0)
			return -1;
		server->listener_count++;
		if (start_daemon(listener, limit, err) < 0)
			return -1;
	}
	return 0;
}

static void start_handles(struct http_server *server)
{
	for (unsigned at = 0; at < server->listener_count; at++)
		listener_watch(&server->listeners[at], server->loop, on_readable);
	uv_prepare_init(server->loop, &server->prepare);
	uv_timer_init(server->loop, &server->timer);
	uv_timer_init(server->loop, &server->tick);
	server->prepare.data = server->timer.data = server->tick.data = server;
	uv_prepare_start(&server->prepare, on_prepare);
	uv_timer_start(&server->tick, on_tick, TICK_MS, TICK_MS);
}

int http_server_start(const struct http_config *config, struct engine *engine,
	struct http_server **ret, struct error *err)
{
	struct http_server *server = mem_zalloc(sizeof(*server));

	if (server == NULL)
		return error_no_memory(err);
	limbs_init();
	server->config = *config;
	server->engine = engine;
	server->loop = engine_loop(engine);
	server->started_ns = clock_mono_ns();
	list_init(&server->requests);
	rates_init(&server->rates, config->rate_per_token, config->rate_per_address);
	callers_init(&server->callers);
	if (guard_open(server, err) < 0 ||
		identity_parse(config->unix_users, server->tokens != NULL, &server->unix_users,
			err) < 0)
		goto failed;
	if (traffic_init(&server->traffic, http_routes, http_route_count) < 0) {
		error_no_memory(err);
		goto failed;
	}
	if (json_check_new(&server->check, err) < 0 || hub_new(server, &server->hub, err) < 0 ||
		(config->tls.cert != NULL && tls_new(&config->tls, &server->tls, err) < 0) ||
		start_listeners(server, err) < 0)
		goto failed;
	start_handles(server);
	*ret = server;
	return 0;
failed:
	for (unsigned at = 0; at < server->listener_count; at++)
		listener_stop(&server->listeners[at]);
	tls_free(server->tls);
	hub_free(server->hub);
	json_check_free(server->check);
	traffic_done(&server->traffic);
	guard_close(server);
	mem_free(server);
	return -1;
}

int http_server_reload(struct http_server *server, struct error *err)
{
	assert_on(ROLE_LOOP);
	if (server->tls != NULL && tls_reload(server->tls, err) < 0)
		return -1;
	return guard_reload(server, err);
}

size_t http_server_tokens(const struct http_server *server)
{
	return server->tokens == NULL ? 0 : server->tokens->count;
}

bool http_server_listening(
	const struct http_server *server, unsigned at, struct http_listening *ret)
{
	const struct listener *listener = &server->listeners[at];

	if (at >= server->listener_count)
		return false;
	*ret = (struct http_listening){ listener->name, listener->port, listener->is_unix,
		listener->tls, listener->handed };
	return true;
}

unsigned http_server_active(const struct http_server *server)
{
	return server->active;
}

/* ---- the end ---- */

void http_server_quiesce(struct http_server *server)
{
	assert_on(ROLE_LOOP);
	if (server->quiesced)
		return;
	server->quiesced = true;
	for (unsigned at = 0; at < server->listener_count; at++)
		if (!server->leaving)
			listener_quiesce(&server->listeners[at]);
	LIST_EACH(&server->requests, link)
	{
		struct request *request = LIST_ENTRY(link, struct request, link);

		if (request->begun && request->endpoint->quiesce != NULL)
			request->endpoint->quiesce(request);
	}
	http_server_kick(server);
}

static void on_closed(uv_handle_t *handle)
{
	struct http_server *server = handle->data;

	if (--server->closing > 0)
		return;
	guard_close(server);
	mem_free(server);
}

static void on_listener_closed(uv_handle_t *handle)
{
	handle->data = ((struct listener *)handle->data)->server;
	on_closed(handle);
}

/* The library aborts the process if it is stopped with a suspended connection. */
static void resume_all(struct http_server *server)
{
	LIST_EACH(&server->requests, link)
	{
		struct request *request = LIST_ENTRY(link, struct request, link);

		request->gone = true;
		request_go_on(request);
	}
	callers_wake(&server->callers);
	run_once(server);
	LIST_EACH(&server->requests, link)
	assert(!LIST_ENTRY(link, struct request, link)->suspended);
}

void http_server_stop(struct http_server *server)
{
	uv_handle_t *const handles[] = { (uv_handle_t *)&server->prepare,
		(uv_handle_t *)&server->timer, (uv_handle_t *)&server->tick };

	assert_on(ROLE_LOOP);
	http_server_quiesce(server);
	server->stopping = true;
	resume_all(server);
	for (unsigned at = 0; at < server->listener_count; at++)
		listener_stop(&server->listeners[at]);
	assert(list_empty(&server->requests));
	hub_free(server->hub);
	json_check_free(server->check);
	rates_done(&server->rates);
	traffic_done(&server->traffic);
	tls_free(TAKE(server->tls));
	server->closing = ARRAY_SIZE(handles) + server->listener_count * LISTENER_HANDLES;
	for (size_t at = 0; at < ARRAY_SIZE(handles); at++)
		uv_close(handles[at], on_closed);
	for (unsigned at = 0; at < server->listener_count; at++)
		listener_close(&server->listeners[at], on_listener_closed);
}
