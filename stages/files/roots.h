/*
 * roots: the folders that the operator opens to jobs, by name, in stages.d/files.json.
 *
 * None by default. A job names one; its path is nobody's business.
 */
#ifndef FILES_ROOTS_H
#define FILES_ROOTS_H

#include <stdint.h>
#include <yyjson.h>

#include "stage.h"

struct files_config {
	const char *roots;           /* as it stands in the file */
	int64_t line_max, files_max; /* bytes; files of a job */
	yyjson_doc *doc;             /* of the roots */
};

extern const struct stage_param files_config_params[];

enum stage_result files_configure(void *memory, struct stage_ctx *ctx);
void files_unconfigure(void *memory, struct stage_ctx *ctx);
/* The path of a root; NULL after a stage_fail() that names those there are. */
const char *roots_find(
	const struct files_config *config, const char *name, struct stage_ctx *ctx);

#endif
