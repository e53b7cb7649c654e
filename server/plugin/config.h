/*
 * config: what the operator of the server says of a stage.
 *
 * It stands in a file of its own, NAME.json in the folder stages-d, and is checked against the
 * table in the stage's descriptor (`config` in stages/stage.h) by the same code as a job's
 * parameters. Anywhere in the file {"$env":"NAME"} stands for the text of an environment
 * variable and {"$file":"PATH"} for that of a file, so that secrets can stand elsewhere.
 *
 * What a configuration holds is nobody's business but the stage's: messages name members and
 * say what is wanted there, they never show a value that came from elsewhere.
 *
 * Thread: one, at start; afterwards any, it does not change.
 */
#ifndef LEAT_PLUGIN_CONFIG_H
#define LEAT_PLUGIN_CONFIG_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "stages/stage.h"

/*
 * The stage's own checks, which need a ctx: the engine has them. `configure` returns -1 with
 * the stage's words.
 */
struct config_hooks {
	int (*configure)(const struct stage *stage, void *config, struct error *err);
	void (*unconfigure)(const struct stage *stage, void *config);
};

struct config;

/* Is the table itself right? For modules. */
int config_table_check(const struct stage *stage, struct error *err);
/* Has the stage one of its own? */
bool config_wanted(const struct stage *stage);
/*
 * Of `root` (NULL: the defaults), whose members are the rows of the stage's table. ERR_INTERNAL
 * with every mistake in one line, for the operator. hooks NULL: `configure` is not called.
 */
int config_new(const struct stage *stage, const json_t *root, const struct config_hooks *hooks,
	struct config **ret, struct error *err);
/* NULL is fine. */
void config_free(struct config *config);
const void *config_memory(const struct config *config);

/* A configuration file with $env and $file replaced. ERR_INTERNAL, ERR_NO_MEMORY. */
json_t *config_read_file(const char *path, struct error *err);

#endif
