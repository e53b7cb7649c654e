#include "sql/pg_config.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <yyjson.h>

const struct stage_param pg_config_rows[] = {
	{ "connections", STAGE_JSON, .def = "{}",
		.doc = "databases that jobs may use: name to {\"dsn\", \"password\"}",
		.offset = offsetof(struct pg_config, connections_json),
		.schema =
			"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\","
			"\"required\":[\"dsn\"],\"properties\":{\"dsn\":{\"type\":\"string\"},"
			"\"password\":{\"type\":\"string\"}}}}" },
	{ "connect_timeout_ms", STAGE_INT, .def = "10000", .min = 1, .max = 600000,
		.doc = "how long connecting may take",
		.offset = offsetof(struct pg_config, connect_timeout_ms) },
	{ "statement_timeout_ms", STAGE_INT, .def = "300000", .min = 1, .max = 86400000,
		.doc = "how long one statement may take",
		.offset = offsetof(struct pg_config, statement_timeout_ms) },
	{ 0 },
};

void pg_config_done(void *memory, struct stage_ctx *ctx)
{
	struct pg_config *config = memory;

	for (size_t i = 0; config->connections != NULL && i < config->count; i++) {
		free(config->connections[i].name);
		free(config->connections[i].dsn);
		free(config->connections[i].password);
	}
	free(config->connections);
	config->connections = NULL;
	config->count = 0;
}

/* libpq's own words would repeat what stands there, secrets too. */
static bool is_dsn(const char *text)
{
	PQconninfoOption *options = PQconninfoParse(text, NULL);

	PQconninfoFree(options);
	return options != NULL;
}

static const char *mistake(yyjson_val *value)
{
	yyjson_val *dsn = yyjson_obj_get(value, "dsn"), *name;
	yyjson_val *password = yyjson_obj_get(value, "password");
	yyjson_obj_iter iter = yyjson_obj_iter_with(value);

	if (!yyjson_is_obj(value) || !yyjson_is_str(dsn))
		return "must be an object with `dsn`, a connection string";
	while ((name = yyjson_obj_iter_next(&iter)) != NULL)
		if (!yyjson_equals_str(name, "dsn") && !yyjson_equals_str(name, "password"))
			return "has a member that is neither `dsn` nor `password`";
	if (password != NULL && !yyjson_is_str(password))
		return "the password must be a string";
	if (!is_dsn(yyjson_get_str(dsn)))
		return "the dsn is no connection string that libpq understands";
	return NULL;
}

static enum stage_result add(
	struct pg_config *config, yyjson_val *name, yyjson_val *value, struct stage_ctx *ctx)
{
	struct pg_connection *connection = &config->connections[config->count];
	const char *why = mistake(value), *password;

	if (why != NULL)
		return stage_fail(ctx, STAGE_PERMANENT, "/connections/%.80s: %s",
			yyjson_get_str(name), why);
	config->count++;
	password = yyjson_get_str(yyjson_obj_get(value, "password"));
	connection->name = strdup(yyjson_get_str(name));
	connection->dsn = strdup(yyjson_get_str(yyjson_obj_get(value, "dsn")));
	connection->password = password != NULL ? strdup(password) : NULL;
	if (connection->name == NULL || connection->dsn == NULL ||
		(password != NULL && connection->password == NULL))
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	return STAGE_OK;
}

enum stage_result pg_config_read(void *memory, struct stage_ctx *ctx)
{
	struct pg_config *config = memory;
	const char *json = config->connections_json;
	yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc), *name;
	yyjson_obj_iter iter = yyjson_obj_iter_with(root);
	enum stage_result result = STAGE_OK;

	if (doc != NULL && !yyjson_is_obj(root))
		result = stage_fail(ctx, STAGE_PERMANENT, "/connections: must be an object");
	if (result == STAGE_OK)
		config->connections =
			calloc(yyjson_obj_size(root) + 1, sizeof(config->connections[0]));
	if (result == STAGE_OK && (doc == NULL || config->connections == NULL))
		result = stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	while (result == STAGE_OK && (name = yyjson_obj_iter_next(&iter)) != NULL)
		result = add(config, name, yyjson_obj_iter_get_val(name), ctx);
	yyjson_doc_free(doc);
	if (result != STAGE_OK)
		pg_config_done(config, ctx);
	return result;
}

const struct pg_connection *pg_config_find(
	const struct pg_config *config, const char *name, struct stage_ctx *ctx)
{
	for (size_t i = 0; config != NULL && i < config->count; i++)
		if (strcmp(config->connections[i].name, name) == 0)
			return &config->connections[i];
	stage_fail(ctx, STAGE_PERMANENT,
		"/connection: there is no connection '%.80s'; the operator names them in "
		"stages.d/postgres.json",
		name);
	return NULL;
}
