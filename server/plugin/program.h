/*
 * program: a stage that an operator made of a template by a file of stages-d.
 *
 * The template (STAGE_TEMPLATE) brings the code and the table of what such a file says; the
 * file brings that, and may say as well:
 *
 *	"template": "exec",
 *	"description": "one line for people",
 *	"version": "1.2.0",
 *	"params": { "lang": { "type": "string", "enum": ["en", "de"], "default": "en",
 *	                      "description": "…", "required": false } }
 *
 * `params` becomes the stage's parameter table, so that requests are checked, defaulted and
 * documented as with any other stage. Types: string, integer, number, boolean, pointer, json.
 *
 * Owner: the registry.
 */
#ifndef LEAT_PLUGIN_PROGRAM_H
#define LEAT_PLUGIN_PROGRAM_H

#include <jansson.h>

#include "base/error.h"
#include "stages/stage.h"

struct program;

/* `root` is the whole file and is left as it is. ERR_INTERNAL, for the operator. */
int program_new(const struct stage *template, const char *name, const json_t *root,
	struct program **ret, struct error *err);
/* NULL is fine. */
void program_free(struct program *program);
const struct stage *program_stage(const struct program *program);

#endif
