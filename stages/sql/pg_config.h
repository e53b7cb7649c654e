/*
 * pg_config: the databases that the operator lets `postgres` and `postgres-query` reach
 * (stages.d/postgres.json).
 *
 *	{"connections": {"main": {"dsn": "postgresql://leat@db/shop", "password": {"$env":
 *"PW"}}}}
 *
 * A job names a connection, nothing else. What stands behind the name is shown to nobody.
 */
#ifndef LEAT_SQL_PG_CONFIG_H
#define LEAT_SQL_PG_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "stage.h"

struct pg_connection {
	char *name, *dsn, *password; /* password: NULL: what the dsn says */
};

struct pg_config {
	const char *connections_json;
	int64_t connect_timeout_ms, statement_timeout_ms;

	struct pg_connection *connections;
	size_t count;
};

extern const struct stage_param pg_config_rows[];
enum stage_result pg_config_read(void *memory, struct stage_ctx *ctx);
void pg_config_done(void *memory, struct stage_ctx *ctx);

/* NULL after stage_fail() that points at the parameter `connection`. */
const struct pg_connection *pg_config_find(
	const struct pg_config *config, const char *name, struct stage_ctx *ctx);

#endif
