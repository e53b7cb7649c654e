/*
 * serve: the server's life, from the first file opened to the last one closed.
 *
 *	start: ledger ─► stages ─► engine (recovers) ─► HTTP ─► event=listening
 *	end:   signal ─► engine_drain (readyz 503, results can still be read) ─► drained
 *	       ─► http quiesce ─► replies under way have ended, or their time is up ─► stop
 *
 * The first SIGTERM or SIGINT drains for at most drain-ms; the second ends at once. Nothing
 * is lost either way: what had no outcome runs again at the next start.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "base/role.h"
#include "cli/command.h"
#include "cli/exposure.h"
#include "cli/notify.h"
#include "cli/places.h"
#include "client/library.h"
#include "engine/engine.h"
#include "http/server.h"
#include "ledger/ledger.h"

/* Replies under way get at least this long after the drain, and are looked at this often. */
#define REPLIES_MIN_MS  500
#define REPLIES_LOOK_MS 5
/* Whoever has connected and says nothing is waited for so long, where sockets are handed on. */
#define SILENT_MS 2000

struct serve {
	struct settings settings;
	struct http_config http_config;
	struct places places;

	uv_loop_t loop;
	uv_signal_t sigterm, sigint, sighup;
	uv_timer_t look;
	struct ledger *ledger;
	struct registry *registry;
	struct engine *engine;
	struct http_server *http;

	unsigned asked; /* how many times to end */
	bool drained, ended;
	uint64_t asked_ns, deadline_ns; /* for replies, once asked to end */
};

/* ---- the end ---- */

static void end(struct serve *serve)
{
	if (serve->ended)
		return;
	serve->ended = true;
	uv_timer_stop(&serve->look);
	uv_stop(&serve->loop);
}

static void look_at_replies(uv_timer_t *timer)
{
	struct serve *serve = timer->data;

	if (http_server_active(serve->http) == 0 || clock_mono_ns() >= serve->deadline_ns)
		end(serve);
}

static void on_drained(void *arg)
{
	struct serve *serve = arg;
	uint64_t least = clock_mono_ns() + REPLIES_MIN_MS * NS_PER_MS;

	serve->drained = true;
	FAULT_POINT("stop-drained");
	if (serve->http == NULL || serve->asked > 1) {
		end(serve);
		return;
	}
	serve->deadline_ns = MAX(serve->deadline_ns, least);
	http_server_quiesce(serve->http);
	uv_timer_start(&serve->look, look_at_replies, 0, REPLIES_LOOK_MS);
}

static uint64_t left_ms(const struct serve *serve)
{
	uint64_t now_ns = clock_mono_ns();

	return serve->deadline_ns > now_ns ? (serve->deadline_ns - now_ns) / NS_PER_MS : 0;
}

/* Half of the time is for requests, the rest for the items in hand. */
static void look_at_leaving(uv_timer_t *timer)
{
	struct serve *serve = timer->data;
	uint64_t waited_ms = (clock_mono_ns() - serve->asked_ns) / NS_PER_MS;

	if (!http_server_has_left(serve->http, waited_ms < SILENT_MS) &&
		waited_ms < serve->settings.drain_ms / 2 && serve->asked == 1)
		return;
	uv_timer_stop(timer);
	if (serve->asked == 1)
		engine_drain(serve->engine, left_ms(serve), on_drained, serve);
}

/* The sockets are handed on: nobody who has come in may be turned away. */
static void leave(struct serve *serve)
{
	http_server_leave(serve->http);
	uv_timer_start(&serve->look, look_at_leaving, 0, REPLIES_LOOK_MS);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct serve *serve = handle->data;
	uint64_t drain_ms = serve->asked++ == 0 ? serve->settings.drain_ms : 0;

	log_info("signal", "name=%s hint=\"%s\"", number == SIGTERM ? "SIGTERM" : "SIGINT",
		drain_ms > 0 ? "another one ends it at once" : "");
	notify_stopping();
	if (serve->asked == 1) {
		serve->asked_ns = clock_mono_ns();
		serve->deadline_ns = serve->asked_ns + drain_ms * NS_PER_MS;
	}
	if (serve->drained)
		end(serve);
	else if (serve->asked == 1 && serve->places.handed && serve->http != NULL)
		leave(serve);
	else
		engine_drain(serve->engine, drain_ms, on_drained, serve);
}

/* SIGHUP: what is not right stays out, and what was in force stays in force. */
static void on_reload(uv_signal_t *handle, int number)
{
	struct serve *serve = handle->data;
	struct error err;

	if (serve->http == NULL || serve->ended)
		return;
	notify_reloading();
	if (http_server_reload(serve->http, &err) == 0)
		log_info("reloaded", "tokens=%zu", http_server_tokens(serve->http));
	else
		log_error("not_reloaded", "err=\"%s\" hint=\"what was in force still is\"",
			err.text);
	notify_ready();
}

/* ---- start ---- */

static int open_store(struct serve *serve, struct error *err)
{
	struct ledger_lmdb_config config = { .dir = serve->settings.data,
		.max_bytes = serve->settings.map_bytes };

	if (ledger_lmdb_open(&config, &serve->ledger, err) < 0)
		return -1;
	return command_registry(&serve->settings, &serve->registry, err);
}

static int open_all(struct serve *serve, struct error *err)
{
	if (open_store(serve, err) < 0)
		return -1;
	if (engine_open(&serve->settings.engine, &serve->loop, serve->ledger, serve->registry,
		    &serve->engine, err) < 0)
		return -1;
	FAULT_POINT("start-engine");
	return http_server_start(&serve->http_config, serve->engine, &serve->http, err);
}

static void watch_signals(struct serve *serve)
{
	uv_signal_init(&serve->loop, &serve->sigterm);
	uv_signal_init(&serve->loop, &serve->sigint);
	uv_signal_init(&serve->loop, &serve->sighup);
	uv_timer_init(&serve->loop, &serve->look);
	serve->sigterm.data = serve->sigint.data = serve->sighup.data = serve->look.data =
		serve;
	uv_signal_start(&serve->sigterm, on_signal, SIGTERM);
	uv_signal_start(&serve->sigint, on_signal, SIGINT);
	uv_signal_start(&serve->sighup, on_reload, SIGHUP);
}

/* Undo open_all(), however far it came; false when not all could be stored. */
static bool close_all(struct serve *serve)
{
	bool stored = true;

	if (serve->http != NULL)
		http_server_stop(TAKE(serve->http));
	if (serve->engine != NULL && !serve->drained) {
		engine_drain(serve->engine, 0, on_drained, serve);
		while (!serve->drained)
			uv_run(&serve->loop, UV_RUN_ONCE);
	}
	if (serve->engine != NULL)
		stored = engine_close(serve->engine);
	command_close_signals(&serve->sigint, &serve->sigterm);
	uv_close((uv_handle_t *)&serve->look, NULL);
	uv_close((uv_handle_t *)&serve->sighup, NULL);
	uv_run(&serve->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&serve->loop) != 0)
		log_error("loop_not_empty", "err=\"a handle was left open\"");
	FAULT_POINT("stop-closing");
	ledger_close(serve->ledger);
	FAULT_POINT("stop-closed");
	if (!engine_left_threads())
		registry_free(serve->registry);
	return stored;
}

static void say_listening(const struct serve *serve)
{
	struct http_listening at;

	for (unsigned i = 0; http_server_listening(serve->http, i, &at); i++)
		/* A Unix socket has no port, and a pair without a value is left out. */
		log_info("listening",
			at.is_unix
				? "address=%s port=%.0u data=%s pid=%ld version=%s tls=%s handed=%s"
				: "address=%s port=%u data=%s pid=%ld version=%s tls=%s handed=%s",
			at.address, at.port, serve->settings.data, (long)getpid(), LEAT_VERSION,
			at.tls ? "yes" : "", at.handed ? "yes" : "");
}

static int serve_until_told(struct serve *serve)
{
	struct error err;
	int code = EXIT_OK, made = uv_loop_init(&serve->loop);

	if (made != 0) {
		error_set(&err, ERR_INTERNAL, "the event loop cannot be made: %s",
			uv_strerror(made));
		return command_fail("leat serve", &err, EXIT_FAILED);
	}
	role_enter(ROLE_LOOP);
	signal(SIGPIPE, SIG_IGN);
	watch_signals(serve);
	if (open_all(serve, &err) < 0) {
		code = command_fail("leat serve", &err, EXIT_FAILED);
	} else {
		/* ThreadSanitizer loses a signal that comes during the first blocking call of
		 * a thread; whoever reads the line below may send one. */
		uv_run(&serve->loop, UV_RUN_NOWAIT);
		FAULT_POINT("start-listening");
		say_listening(serve);
		notify_ready();
		uv_run(&serve->loop, UV_RUN_DEFAULT);
	}
	if (!close_all(serve)) {
		log_error("not_all_stored",
			"data=%s hint=\"what could not be written runs again at the next start\"",
			serve->settings.data);
		return EXIT_FAILED;
	}
	if (code == EXIT_OK)
		log_info("ended", "data=%s", serve->settings.data);
	return code;
}

static enum access_log access_log_of(const char *word)
{
	if (strcmp(word, "all") == 0)
		return ACCESS_ALL;
	return strcmp(word, "errors") == 0 ? ACCESS_ERRORS : ACCESS_OFF;
}

static int take_http(struct serve *serve, struct error *err)
{
	const struct settings *settings = &serve->settings;

	serve->http_config = settings->http;
	serve->http_config.idle_timeout_s =
		(unsigned)((settings->idle_timeout_ms + 999) / 1000);
	serve->http_config.ratio_max = (double)settings->ratio_max;
	serve->http_config.access_log = access_log_of(settings->access_log);
	serve->http_config.audit_log = strcmp(settings->audit_log, "on") == 0;
	serve->http_config.tokens = settings->tokens;
	serve->http_config.unix_users = settings->unix_users;
	serve->http_config.hosts = settings->hosts;
	serve->http_config.cors_origins = settings->cors_origins;
	if (places_init(&serve->places, settings, err) < 0 ||
		places_tls(settings, &serve->http_config.tls, err) < 0)
		return -1;
	serve->http_config.places = serve->places.all;
	serve->http_config.place_count = serve->places.count;
	return exposure_check(settings, &serve->places, err);
}

int command_serve(int argc, char **argv)
{
	static const struct options options = {
		.name = "leat serve",
		.command = FOR_SERVE,
		.intro = "Serve jobs over HTTP until SIGTERM or Ctrl-C.",
		.examples =
			"Examples:\n"
			"  leat serve --data /var/lib/leat\n"
			"  leat serve --listen '[::]:8080' --tokens /etc/leat/tokens --compute 4\n"
			"  LEAT_ITEM_MAX=16MiB leat serve --config leat.json --print-config\n\n"
			"When it listens it logs event=listening address=... port=...; then, for example:\n"
			"  curl -s http://127.0.0.1:8080/v1/server",
	};
	struct serve serve = { 0 };
	struct error err;
	int code = command_begin(&options, argc, argv, NULL, &serve.settings);

	if (code >= 0)
		return code;
	settings_warn_unknown_env();
	exposure_forbid_cores(&serve.settings);
	/* libuv ends the process where it cannot have its table of descriptors. */
	uv_replace_allocator(reserve_alloc, reserve_realloc, reserve_zalloc, reserve_free);
	if (library_init(&err) < 0 || take_http(&serve, &err) < 0)
		code = command_fail("leat serve", &err, EXIT_USAGE);
	else
		code = serve_until_told(&serve);
	settings_done(&serve.settings);
	return code;
}
