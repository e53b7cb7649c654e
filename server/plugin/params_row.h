/*
 * params_row: walking a parameter table. For the files that make up params.h.
 */
#ifndef LEAT_PLUGIN_PARAMS_ROW_H
#define LEAT_PLUGIN_PARAMS_ROW_H

#include <jansson.h>
#include <stdbool.h>

#include "job/text.h"
#include "stages/stage.h"

/* The table, an empty one where there is none. */
const struct stage_param *params_rows(const struct stage *stage);
/* The row of that name, NULL. */
const struct stage_param *params_find_row(const struct stage *stage, const char *name);
/* The default as JSON; NULL when it cannot be read (or there is no memory). */
json_t *params_default(const struct stage_param *row);
/* Cut the next word off `a|b|c`; false at the end. */
bool params_next_choice(const char **rest, char ret_choice[static TEXT_NAME_MAX + 1]);

#endif
