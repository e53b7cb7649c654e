#include "call/call_config.h"

#include <stdlib.h>
#include <unistd.h>

#define LIST \
	"{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":1},\"maxItems\":1000}"

const struct stage_param call_config_rows[] = {
	{ "hosts", STAGE_JSON, .def = "[]",
		.doc = "whom jobs may call: api.example.com, *.example.com, 127.0.0.1:8081, "
		       "https://host; none by default",
		.offset = offsetof(struct call_config, hosts_json), .schema = LIST },
	{ "networks", STAGE_JSON, .def = "[]",
		.doc = "addresses beside the public ones that their names may resolve to: 10.0.0.0/8",
		.offset = offsetof(struct call_config, networks_json), .schema = LIST },
	{ "secrets", STAGE_JSON, .def = "{}",
		.doc = "texts that templates refer to as {$secret:NAME}: name to text, or to an "
		       "object of value and hosts",
		.offset = offsetof(struct call_config, secrets_json),
		.schema = "{\"type\":\"object\"}" },
	{ "secrets_in_url", STAGE_BOOL, .def = "false",
		.doc = "may URLs hold secrets, too, and not only headers?",
		.offset = offsetof(struct call_config, secrets_in_url) },
	{ "secrets_in_body", STAGE_BOOL, .def = "false", .doc = "may bodies?",
		.offset = offsetof(struct call_config, secrets_in_body) },
	{ "per_host", STAGE_INT, .def = "100", .min = 1, .max = 100000,
		.doc = "requests under way at one host, of all jobs together",
		.offset = offsetof(struct call_config, per_host) },
	{ "connections", STAGE_INT, .def = "10000", .min = 1, .max = 100000,
		.doc = "requests under way in all, and connections kept open at most",
		.offset = offsetof(struct call_config, connections) },
	{ "response_max", STAGE_INT, .def = "1048576", .min = 1, .max = 1073741824,
		.doc = "bytes of one response's body, unpacked",
		.offset = offsetof(struct call_config, response_max) },
	{ "held_max", STAGE_INT, .def = "268435456", .min = 1048576, .max = 1e12,
		.doc = "bytes of all responses that are being read",
		.offset = offsetof(struct call_config, held_max) },
	{ "redirects_max", STAGE_INT, .def = "5", .min = 0, .max = 50,
		.doc = "what jobs may ask for as `redirects`",
		.offset = offsetof(struct call_config, redirects_max) },
	{ "connect_timeout_ms", STAGE_INT, .def = "10000", .min = 1, .max = 600000,
		.doc = "how long connecting may take where the job does not say",
		.offset = offsetof(struct call_config, connect_timeout_ms) },
	{ "silence_s", STAGE_INT, .def = "300", .min = 1, .max = 86400,
		.doc = "a call of which nothing is heard for so long has failed",
		.offset = offsetof(struct call_config, silence_s) },
	{ "ca_file", STAGE_STRING, .doc = "certificates (PEM) to trust instead of the system's",
		.offset = offsetof(struct call_config, ca_file) },
	{ "user_agent", STAGE_STRING, .def = "leat", .doc = "the header User-Agent",
		.offset = offsetof(struct call_config, user_agent) },
	{ 0 },
};

void call_config_done(void *memory, struct stage_ctx *ctx)
{
	struct call_config *config = memory;

	hosts_done(&config->hosts);
	secrets_done(&config->secrets);
	if (config->shared != NULL)
		curl_global_cleanup();
	free(config->shared);
	config->shared = NULL;
}

static enum stage_result check_texts(const struct call_config *config, struct stage_ctx *ctx)
{
	if (config->ca_file != NULL && access(config->ca_file, R_OK) != 0)
		return stage_fail(ctx, STAGE_PERMANENT, "/ca_file: cannot be read");
	for (const char *at = config->user_agent; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			return stage_fail(ctx, STAGE_PERMANENT,
				"/user_agent: must have no control characters");
	return STAGE_OK;
}

enum stage_result call_config_read(void *memory, struct stage_ctx *ctx)
{
	struct call_config *config = memory;
	enum stage_result result = check_texts(config, ctx);

	if (result == STAGE_OK)
		result = hosts_read(
			&config->hosts, config->hosts_json, config->networks_json, ctx);
	if (result == STAGE_OK)
		result = secrets_read(&config->secrets, config->secrets_json, ctx);
	if (result == STAGE_OK && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		result = stage_fail(ctx, STAGE_PERMANENT, "libcurl cannot be initialized");
	if (result == STAGE_OK) {
		config->shared = calloc(1, sizeof(*config->shared));
		if (config->shared == NULL) {
			curl_global_cleanup();
			result = stage_fail(ctx, STAGE_TRANSIENT, "no memory");
		}
	}
	if (result != STAGE_OK)
		call_config_done(config, ctx);
	return result;
}
