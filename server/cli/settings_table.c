/* The table of settings: a row a setting. What the columns mean stands in settings.h. */
#include "cli/settings.h"

#include <assert.h>

#include "base/mem.h"

#define FIELD(member) \
	offsetof(struct settings, member), sizeof(((struct settings *)NULL)->member)

#define KIB       (1ull << 10)
#define MIB       (1ull << 20)
#define GIB       (1ull << 30)
#define TIB       (1ull << 40)
#define SECOND_MS 1000ull
#define DAY_MS    (24 * 60 * 60 * SECOND_MS)

#define PLACE "Where it listens and what it keeps:"
#define WORK  "How it works on items:"
#define JOBS  "What jobs may ask for:"
#define HTTP  "What clients may do:"
#define LIFE  "How it tells and how it ends:"

#define SERVE_RUN (FOR_SERVE | FOR_RUN)
#define ALL       (FOR_SERVE | FOR_RUN | FOR_STAGES)

const struct setting settings_table[] = {
	{ "listen", PLACE, "HOST:PORT",
		"address to listen on, as in 127.0.0.1:8080 or [::1]:8080; port 0 takes a free one; "
		"unix:/PATH for a Unix socket; several with commas between them",
		SETTING_TEXT, FOR_SERVE, FIELD(listen) },
	{ "tokens", PLACE, "FILE",
		"who may do what, made by leat token; read again on SIGHUP. Without it whoever "
		"reaches the server may do everything",
		SETTING_TEXT, FOR_SERVE, FIELD(tokens) },
	{ "insecure", PLACE, "WORD",
		"listen where other machines come in although there are no tokens", SETTING_YES,
		FOR_SERVE, FIELD(insecure), .choices = "no|yes" },
	{ "tls-cert", PLACE, "FILE",
		"certificate with its chain in PEM: TCP speaks TLS then; read again on SIGHUP",
		SETTING_TEXT, FOR_SERVE, FIELD(tls_cert) },
	{ "tls-key", PLACE, "FILE", "its private key in PEM, without a passphrase",
		SETTING_TEXT, FOR_SERVE, FIELD(tls_key) },
	{ "tls-client-ca", PLACE, "FILE",
		"ask clients for certificates that these authorities (PEM) have signed",
		SETTING_TEXT, FOR_SERVE, FIELD(tls_client_ca) },
	{ "tls-client", PLACE, "HOW",
		"with tls-client-ca: must a client have a certificate? required or optional",
		SETTING_CHOICE, FOR_SERVE, FIELD(tls_client), .choices = "required|optional" },
	{ "unix-mode", PLACE, "MODE", "mode of the Unix socket", SETTING_TEXT, FOR_SERVE,
		FIELD(unix_mode) },
	{ "unix-group", PLACE, "GROUP", "group of the Unix socket, a name or a number",
		SETTING_TEXT, FOR_SERVE, FIELD(unix_group) },
	{ "data", PLACE, "DIR",
		"folder of the ledger, made if it is not there; not on a network file system",
		SETTING_TEXT, FOR_SERVE, FIELD(data) },
	{ "map-size", PLACE, "BYTES",
		"how large the ledger's file may become; the file is sparse", SETTING_BYTES,
		FOR_SERVE, FIELD(map_bytes), MIB, 64 * TIB },
	{ "reserve", PLACE, "BYTES",
		"part of map-size that is kept for finishing what was accepted", SETTING_BYTES,
		FOR_SERVE, FIELD(engine.reserve_bytes), 0, 64 * TIB,
		.zero = "a sixteenth of map-size" },
	{ "stages", PLACE, "DIR",
		"load every stage module (*.so) of this folder; may be repeated",
		SETTING_FOLDERS, ALL, FIELD(stages) },
	{ "stages-isolated", PLACE, "DIR",
		"the same, and they run in processes of their own; may be repeated",
		SETTING_FOLDERS, ALL, FIELD(stages_isolated) },
	{ "stages-d", PLACE, "DIR",
		"folder of NAME.json files: configurations of stages, and programs as stages",
		SETTING_TEXT, ALL, FIELD(stages_d) },

	{ "compute", WORK, "COUNT", "threads that run stages", SETTING_COUNT, SERVE_RUN,
		FIELD(engine.compute), 0, 1024, .zero = "one a core" },
	{ "blocking-max", WORK, "COUNT", "threads of stages that may sleep, in all",
		SETTING_COUNT, SERVE_RUN, FIELD(engine.blocking_max), 1, 100000 },
	{ "isolated-memory", WORK, "BYTES",
		"memory of each process of a stage that runs isolated", SETTING_BYTES,
		SERVE_RUN, FIELD(engine.isolated_memory), 0, 64 * TIB, .zero = "no bound" },
	{ "isolated-timeout", WORK, "MS",
		"how long an isolated stage may take for an item where the job sets no timeout_ms",
		SETTING_MS, SERVE_RUN, FIELD(engine.isolated_timeout_ms), 0, DAY_MS,
		.zero = "no bound" },
	{ "item-max", WORK, "BYTES", "largest item that is taken", SETTING_BYTES, SERVE_RUN,
		FIELD(engine.item_max), 16, GIB },
	{ "output-max", WORK, "BYTES", "how much one item may become at one stage",
		SETTING_BYTES, SERVE_RUN, FIELD(engine.output_max), KIB, GIB },
	{ "hot-bytes", WORK, "BYTES",
		"input that a job keeps in memory in front of its first queue", SETTING_BYTES,
		SERVE_RUN, FIELD(engine.hot_bytes), 64 * KIB, 64 * GIB },
	{ "flush-ms", WORK, "MS",
		"results wait at most this long for company before they are committed",
		SETTING_MS, SERVE_RUN, FIELD(engine.flush_ms), 1, 60 * SECOND_MS },
	{ "stall-ms", WORK, "MS",
		"a job in which no item moved for this long is shown as stalled", SETTING_MS,
		SERVE_RUN, FIELD(engine.stall_ms), 10, DAY_MS },

	{ "jobs-max", JOBS, "COUNT", "jobs that are not done, at once", SETTING_COUNT,
		FOR_SERVE, FIELD(engine.jobs_max), 1, 10000000 },
	{ "cache-max", JOBS, "COUNT", "done jobs whose state is kept in memory", SETTING_COUNT,
		FOR_SERVE, FIELD(engine.cache_max), 0, 10000000 },
	{ "keys-max", JOBS, "COUNT", "idempotency keys a job", SETTING_COUNT, FOR_SERVE,
		FIELD(engine.keys_max), 1, 100000000 },
	{ "stages-max", JOBS, "COUNT", "stages a job", SETTING_COUNT, SERVE_RUN,
		FIELD(engine.rules.stages_max), 1, 1024 },
	{ "queue-items-max", JOBS, "COUNT", "largest queue.items that a stage may ask for",
		SETTING_COUNT, SERVE_RUN, FIELD(engine.rules.queue_items_max), 1, 1000000000 },
	{ "queue-bytes-max", JOBS, "BYTES", "largest queue.bytes that a stage may ask for",
		SETTING_BYTES, SERVE_RUN, FIELD(engine.rules.queue_bytes_max), KIB, TIB },
	{ "backlog-default", JOBS, "BYTES",
		"accepted but not yet begun input on disk, where a job says nothing",
		SETTING_BYTES, FOR_SERVE, FIELD(engine.rules.backlog_default), 64 * KIB,
		64 * TIB },
	{ "backlog-max", JOBS, "BYTES", "largest backlog.bytes that a job may ask for",
		SETTING_BYTES, FOR_SERVE, FIELD(engine.rules.backlog_max), 64 * KIB, 64 * TIB },
	{ "retention-default", JOBS, "MS",
		"how long results stay after a job is done, where it says nothing", SETTING_MS,
		FOR_SERVE, FIELD(engine.rules.retention_default_ms), 0, 36500 * DAY_MS },

	{ "connections-max", HTTP, "COUNT", "connections at once", SETTING_COUNT, FOR_SERVE,
		FIELD(http.connections_max), 1, 1000000 },
	{ "connections-per-address", HTTP, "COUNT",
		"connections of one address (IPv6: one /64); behind a proxy, all there are",
		SETTING_COUNT, FOR_SERVE, FIELD(http.connections_per_address), 0, 1000000,
		.zero = "half of connections-max, but at least 256" },
	{ "connection-memory", HTTP, "BYTES", "buffer of a connection; larger is faster",
		SETTING_BYTES, FOR_SERVE, FIELD(http.connection_memory), 4 * KIB, 64 * MIB },
	{ "head-max", HTTP, "BYTES", "largest request line with its headers", SETTING_BYTES,
		FOR_SERVE, FIELD(http.head_max), KIB, MIB },
	{ "idle-timeout", HTTP, "MS",
		"a connection on which nothing moves is closed after this; whole seconds",
		SETTING_MS, FOR_SERVE, FIELD(idle_timeout_ms), 0, DAY_MS, .zero = "never" },
	{ "header-ms", HTTP, "MS",
		"how long a request's line and headers may take to come; whole seconds",
		SETTING_MS, FOR_SERVE, FIELD(http.header_ms), 0, DAY_MS, .zero = "for ever" },
	{ "min-rate", HTTP, "BYTES",
		"bytes a second that a client must send of a body and take of a reply",
		SETTING_BYTES, FOR_SERVE, FIELD(http.min_rate), 0, GIB, .zero = "any" },
	{ "slow-ms", HTTP, "MS", "how long it may be slower than min-rate", SETTING_MS,
		FOR_SERVE, FIELD(http.slow_ms), SECOND_MS, DAY_MS },
	{ "body-max", HTTP, "BYTES",
		"largest JSON document that is not items, such as a job definition",
		SETTING_BYTES, FOR_SERVE, FIELD(http.body_max), KIB, GIB },
	{ "ratio-max", HTTP, "COUNT", "bytes that one byte of a compressed body may become",
		SETTING_COUNT, FOR_SERVE, FIELD(ratio_max), 1, 1000000 },
	{ "page-limit-max", HTTP, "COUNT", "largest limit of a list of jobs", SETTING_COUNT,
		FOR_SERVE, FIELD(http.page_limit_max), 1, 100000 },
	{ "discard-max", HTTP, "BYTES",
		"of a refused body, how much is still read so that the client hears why",
		SETTING_BYTES, FOR_SERVE, FIELD(http.discard_max), 0, TIB },
	{ "discard-ms", HTTP, "MS", "and for how long", SETTING_MS, FOR_SERVE,
		FIELD(http.discard_ms), 0, DAY_MS },
	{ "hosts", HTTP, "NAMES",
		"names that the server has, with commas between; by another one only who shows "
		"a token is let in",
		SETTING_TEXT, FOR_SERVE, FIELD(hosts) },
	{ "cors-origins", HTTP, "ORIGINS",
		"origins whose web pages may ask, as in https://a.example, with commas between",
		SETTING_TEXT, FOR_SERVE, FIELD(cors_origins) },
	{ "sse-comment-ms", HTTP, "MS", "how often an idle event stream says that it lives",
		SETTING_MS, FOR_SERVE, FIELD(http.sse_comment_ms), 10, DAY_MS },

	{ "drain-ms", LIFE, "MS",
		"after SIGTERM or Ctrl-C: how long items in hand may take to end", SETTING_MS,
		FOR_SERVE, FIELD(drain_ms), 0, DAY_MS },
	{ "log", LIFE, "FORMAT", "how a line of the log looks: text or json", SETTING_CHOICE,
		ALL, FIELD(log), .choices = "text|json" },
	{ "log-level", LIFE, "LEVEL",
		"the least that is logged: debug, info, warn, error or off", SETTING_CHOICE,
		ALL, FIELD(log_level), .choices = "debug|info|warn|error|off" },
	{ "access-log", LIFE, "WHICH",
		"requests that get a line in the log: off, errors (4xx, 5xx, clients that left) or all",
		SETTING_CHOICE, FOR_SERVE, FIELD(access_log), .choices = "off|errors|all" },
	{ "audit-log", LIFE, "WHETHER",
		"every request that would change something gets a line in the log: off or on",
		SETTING_CHOICE, FOR_SERVE, FIELD(audit_log), .choices = "off|on" },
	{ "core-dumps", LIFE, "WORD",
		"let a crash leave a core file, which holds secrets of stages and what clients sent",
		SETTING_YES, FOR_SERVE, FIELD(core_dumps), .choices = "no|yes" },
};
const unsigned settings_count = ARRAY_SIZE(settings_table);
static_assert(ARRAY_SIZE(settings_table) <= SETTINGS_MAX, "origins has room for every row");
