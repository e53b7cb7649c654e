/*
 * call_config: what the operator says of calls to other servers, in stages.d/http.json; shared
 * by the stages `http` and `http-pages`. Without that file nothing may be called.
 *
 * Thread: any; it does not change after start, but for the count of bytes that are held.
 */
#ifndef LEAT_CALL_CONFIG_H
#define LEAT_CALL_CONFIG_H

#include <stdatomic.h>

#include "call/secrets.h"

struct swarm;

struct call_config {
	/* the table's */
	const char *hosts_json, *networks_json, *secrets_json, *ca_file, *user_agent;
	bool secrets_in_url, secrets_in_body;
	int64_t per_host, connections, response_max, held_max, redirects_max,
		connect_timeout_ms, silence_s;

	/* made of them */
	struct hosts hosts;
	struct secrets secrets;
	/* Behind a pointer, because jobs see the configuration as const. */
	struct call_shared {
		atomic_size_t held;  /* bytes of responses that are being read */
		struct swarm *swarm; /* of the stage `http`; the loop's */
	} * shared;
};

extern const struct stage_param call_config_rows[];

enum stage_result call_config_read(void *memory, struct stage_ctx *ctx);
void call_config_done(void *memory, struct stage_ctx *ctx);

#endif
