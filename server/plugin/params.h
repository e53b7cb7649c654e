/*
 * params: a stage's parameter table at work.
 *
 * The table in the descriptor (stages/stage.h) is the only place that knows a parameter; the
 * check, the defaults, the JSON Schema and the filling of the instance all come from it.
 *
 * Thread: any.
 */
#ifndef LEAT_PLUGIN_PARAMS_H
#define LEAT_PLUGIN_PARAMS_H

#include <jansson.h>

#include "base/error.h"
#include "job/definition.h"
#include "stages/stage.h"

/* Is the table itself right? For modules: what is wrong with it goes into `err`. */
int params_table_check(const struct stage *stage, struct error *err);

/* See struct catalog's check_params. */
json_t *params_check(const struct stage *stage, const json_t *params, const char *pointer,
	struct mistakes *mistakes);
/* A JSON Schema (2020-12) of type object; NULL without memory. */
json_t *params_schema(const struct stage *stage);

/* The strings that an instance's members point to. */
struct params_store;
/*
 * Write checked params into `instance` (stage->instance_size zeroed bytes). *ret_store keeps
 * the strings and must outlive the instance.
 */
int params_fill(const struct stage *stage, const json_t *params, void *instance,
	struct params_store **ret_store, struct error *err);
void params_store_free(struct params_store *store);

#endif
