/*
 * old: a module as the stage.h of today makes it, with the smallest rows there ever were.
 *
 * It is written without STAGE(), byte for byte: when the structs grow, this one stays as it
 * is and must still load. It upper-cases the letters of an item, `times` over.
 */
#include <ctype.h>

#include "stage.h"

struct old {
	int64_t times;
	const char *mark;
};

static const struct old_row {
	const char *name;
	enum stage_param_type type;
	int required;
	const char *def, *doc;
	size_t offset;
	double min, max;
	const char *choices, *schema;
} rows[] = {
	{ "times", STAGE_INT, 0, "1", "how often", offsetof(struct old, times), 1, 9, NULL,
		NULL },
	{ "mark", STAGE_STRING, 0, "!", "put behind", offsetof(struct old, mark), 0, 0, NULL,
		NULL },
	{ NULL, 0, 0, NULL, NULL, 0, 0, 0, NULL, NULL },
};

static enum stage_result old_run(void *instance, struct stage_ctx *ctx)
{
	size_t len;
	const char *item = stage_input(ctx, &len);
	char *to = stage_reserve(ctx, len);

	if (to == NULL)
		return STAGE_FAILED;
	for (size_t i = 0; i < len; i++)
		to[i] = (char)toupper((unsigned char)item[i]);
	return stage_emit_reserved(ctx, len);
}

struct old_stage {
	uint32_t abi, size, param_size;
	const char *name, *version, *summary;
	enum stage_kind kind;
	enum stage_threads threads;
	size_t instance_size, worker_size;
	const struct old_row *params;
	void (*callbacks[4])(void);
	enum stage_result (*run)(void *instance, struct stage_ctx *ctx);
	void (*more_callbacks[3])(void);
};

__attribute__((visibility("default"))) extern const struct old_stage leat_stage;
const struct old_stage leat_stage = { 1, sizeof(struct old_stage), sizeof(struct old_row),
	"old", "0.9.0", "A module of the first days", STAGE_MAP, STAGE_PARALLEL,
	sizeof(struct old), 0, rows, { 0 }, old_run, { 0 } };
