/*
 * run_definition: what the person wrote after `leat run` or `leat submit`, as a definition.
 *
 * PIPELINE is the short form (`pick,sha256:8`), a definition itself (`{"stages":…}`), or the
 * name of a file that holds one (`job.json`). --set adds to it in the words of the API:
 * `sha256.field=text` for a parameter, `workers.sha256=8` and `queue.sha256=2048` to scale.
 *
 * Thread: any.
 */
#ifndef LEAT_CLI_RUN_DEFINITION_H
#define LEAT_CLI_RUN_DEFINITION_H

#include "base/error.h"
#include "job/definition.h"

struct run_words {
	const char *pipeline;
	const char *const *sets; /* "NAME=VALUE" */
	unsigned set_count;
	const char *order; /* NULL: as the definition says, else "input" */
};

/* Is it `workers.STAGE=N` or `queue.STAGE=N`? */
bool run_words_is_scaling(const char *set);
/*
 * The definition as it was written, with `order` if the words say one and with every --set that
 * does not scale; nothing of it is checked against the stages there are. Same errors as below.
 */
int run_definition_tree(const struct run_words *words, struct mistakes *mistakes, json_t **ret,
	struct error *err);

/*
 * ERR_DEFINITION: see `mistakes`. ERR_BAD_REQUEST: a file that cannot be read or is not JSON.
 * Owner of *ret: caller.
 */
int run_definition(const struct run_words *words, const struct catalog *catalog,
	const struct definition_rules *rules, struct mistakes *mistakes,
	struct definition **ret, struct error *err);

#endif
