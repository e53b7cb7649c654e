/*
 * aggregate: a sink that counts and adds up, overall and by group.
 *
 * Its state is saved in the very transaction that marks its items as done, so its report is
 * exact after any crash.
 */
#include <stdlib.h>
#include <string.h>

#include "groups.h"
#include "stage.h"
#include "stage_slice.h"

#define STATE_VERSION 1

struct aggregate {
	const char *field, *by;
	int64_t groups_max;
	struct stage_path field_path, by_path;
	struct stats all;
	struct groups groups;
};

static const struct stage_param aggregate_params[] = {
	{ "field", STAGE_POINTER,
		.doc = "the number to add up; without it items are only counted",
		.offset = offsetof(struct aggregate, field) },
	{ "by", STAGE_POINTER, .doc = "the field by whose values to group",
		.offset = offsetof(struct aggregate, by) },
	{ "groups_max", STAGE_INT, .def = "10000", .min = 1, .max = 1000000,
		.doc = "items of more groups than this fail",
		.offset = offsetof(struct aggregate, groups_max) },
	{ 0 },
};

/* ---- the saved state: head, stats of all, then (length, key, stats) by group ---- */

struct state_head {
	uint32_t version, groups;
};

static bool take(const char **at, size_t *left, void *to, size_t len)
{
	if (*left < len)
		return false;
	memcpy(to, *at, len);
	*at += len;
	*left -= len;
	return true;
}

static bool take_group(struct aggregate *aggregate, const char **at, size_t *left)
{
	char key[GROUP_KEY_MAX];
	struct group *group;
	uint32_t len;

	if (!take(at, left, &len, sizeof(len)) || len > sizeof(key) ||
		!take(at, left, key, len))
		return false;
	group = groups_get(&aggregate->groups, key, len);
	return group != NULL && take(at, left, &group->stats, sizeof(group->stats));
}

static bool restore(struct aggregate *aggregate, const char *at, size_t left)
{
	struct state_head head;

	if (!take(&at, &left, &head, sizeof(head)) || head.version != STATE_VERSION ||
		!take(&at, &left, &aggregate->all, sizeof(aggregate->all)))
		return false;
	for (; head.groups > 0; head.groups--)
		if (!take_group(aggregate, &at, &left))
			return false;
	return left == 0;
}

static size_t state_size(const struct aggregate *aggregate)
{
	size_t size = sizeof(struct state_head) + sizeof(struct stats);

	for (size_t i = 0; i < aggregate->groups.count; i++)
		size += sizeof(uint32_t) + aggregate->groups.list[i].len + sizeof(struct stats);
	return size;
}

static char *put(char *to, const void *bytes, size_t len)
{
	return (char *)memcpy(to, bytes, len) + len;
}

static enum stage_result aggregate_checkpoint(void *instance, struct stage_ctx *ctx)
{
	const struct aggregate *aggregate = instance;
	struct state_head head = { STATE_VERSION, (uint32_t)aggregate->groups.count };
	size_t size = state_size(aggregate);
	char *state = malloc(size), *at;
	enum stage_result result;

	if (state == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	at = put(state, &head, sizeof(head));
	at = put(at, &aggregate->all, sizeof(aggregate->all));
	for (size_t i = 0; i < aggregate->groups.count; i++) {
		const struct group *group = &aggregate->groups.list[i];

		at = put(at, &group->len, sizeof(group->len));
		at = put(at, group->key, group->len);
		at = put(at, &group->stats, sizeof(group->stats));
	}
	result = stage_state_set(ctx, state, size);
	free(state);
	return result;
}

/* ---- open, close ---- */

static void aggregate_close(void *instance, struct stage_ctx *ctx)
{
	struct aggregate *aggregate = instance;

	stage_path_done(&aggregate->field_path);
	stage_path_done(&aggregate->by_path);
	groups_done(&aggregate->groups);
}

static enum stage_result aggregate_open(void *instance, struct stage_ctx *ctx)
{
	struct aggregate *aggregate = instance;
	size_t len;
	const char *state = stage_state(ctx, &len);

	if ((aggregate->field != NULL &&
		    !stage_path_init(&aggregate->field_path, aggregate->field)) ||
		(aggregate->by != NULL &&
			!stage_path_init(&aggregate->by_path, aggregate->by))) {
		aggregate_close(instance, ctx);
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	}
	if (state != NULL && !restore(aggregate, state, len)) {
		aggregate_close(instance, ctx);
		return stage_fail(ctx, STAGE_PERMANENT, "the saved sums are damaged");
	}
	return STAGE_OK;
}

/* ---- run ---- */

/* What to write in place of "/name": the name alone, where there is one. */
static const char *shown(const char *pointer, const struct stage_path *path)
{
	return pointer + (path->depth == 1);
}

/* The text of a string, the JSON of what is no string, "null" where there is nothing; `at` is
 * NULL when the item has failed. */
static struct stage_slice key_of(
	const struct aggregate *aggregate, struct stage_ctx *ctx, struct stage_slice item)
{
	struct stage_slice value = stage_slice_find(item, &aggregate->by_path);
	const char *by = shown(aggregate->by, &aggregate->by_path);

	if (value.at == NULL)
		return (struct stage_slice){ "null", 4 };
	if (*value.at == '{' || *value.at == '[') {
		stage_fail(
			ctx, STAGE_PERMANENT, "'%s' is no string, number or truth value", by);
		return (struct stage_slice){ NULL, 0 };
	}
	if (stage_slice_is_string(value))
		value = stage_slice_text(ctx, value);
	if (value.at == NULL) {
		stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	} else if (value.len > GROUP_KEY_MAX) {
		stage_fail(ctx, STAGE_PERMANENT, "'%s' is longer than %d bytes", by,
			GROUP_KEY_MAX);
		value.at = NULL;
	}
	return value;
}

/* NULL when the item has failed. */
static struct group *group_of(
	struct aggregate *aggregate, struct stage_ctx *ctx, struct stage_slice item)
{
	struct stage_slice key = key_of(aggregate, ctx, item);
	struct group *group;

	if (key.at == NULL)
		return NULL;
	group = groups_find(&aggregate->groups, key.at, key.len);
	if (group != NULL)
		return group;
	if (aggregate->groups.count >= (size_t)aggregate->groups_max) {
		stage_fail(ctx, STAGE_PERMANENT,
			"there are %zu groups already (groups_max); '%.*s' would be one more",
			aggregate->groups.count, (int)(key.len < 80 ? key.len : 80), key.at);
		return NULL;
	}
	group = groups_get(&aggregate->groups, key.at, key.len);
	if (group == NULL)
		stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	return group;
}

/* Nothing is counted before all of the item is known to be right. */
static enum stage_result aggregate_run(void *instance, struct stage_ctx *ctx)
{
	struct aggregate *aggregate = instance;
	struct stage_slice item = stage_slice_input(ctx);
	struct stage_number number;
	struct group *group = NULL;
	bool adds = aggregate->field != NULL;

	if (adds &&
		!stage_slice_number(stage_slice_find(item, &aggregate->field_path), &number))
		return stage_fail(ctx, STAGE_PERMANENT, "no number field '%s'",
			shown(aggregate->field, &aggregate->field_path));
	if (aggregate->by != NULL && (group = group_of(aggregate, ctx, item)) == NULL)
		return STAGE_FAILED;
	stats_take(&aggregate->all, adds ? &number : NULL);
	if (group != NULL)
		stats_take(&group->stats, adds ? &number : NULL);
	return STAGE_OK;
}

/* ---- report ---- */

/* For qsort_r(): numbers of groups, in the order of their keys. */
static int by_key(const void *left, const void *right, void *list)
{
	const struct group *a = (const struct group *)list + *(const uint32_t *)left;
	const struct group *b = (const struct group *)list + *(const uint32_t *)right;
	int order = memcmp(a->key, b->key, a->len < b->len ? a->len : b->len);

	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static bool add_groups(
	const struct aggregate *aggregate, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
	const struct groups *groups = &aggregate->groups;
	uint32_t *order = malloc((groups->count + 1) * sizeof(order[0]));
	yyjson_mut_val *into = yyjson_mut_obj(doc), *object;
	bool done = order != NULL && yyjson_mut_obj_add_val(doc, root, "groups", into);

	for (size_t i = 0; done && i < groups->count; i++)
		order[i] = (uint32_t)i;
	if (done)
		qsort_r(order, groups->count, sizeof(order[0]), by_key, groups->list);
	for (size_t i = 0; done && i < groups->count; i++) {
		const struct group *group = &groups->list[order[i]];

		object = yyjson_mut_obj(doc);
		done = yyjson_mut_obj_add(
			       into, yyjson_mut_strn(doc, group->key, group->len), object) &&
		       stats_report(&group->stats, aggregate->field != NULL, doc, object);
	}
	free(order);
	return done;
}

static enum stage_result aggregate_report(void *instance, struct stage_ctx *ctx)
{
	const struct aggregate *aggregate = instance;
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_mut_obj(doc);
	enum stage_result result;
	char *text = NULL;
	size_t len;

	yyjson_mut_doc_set_root(doc, root);
	if (stats_report(&aggregate->all, aggregate->field != NULL, doc, root) &&
		(aggregate->by == NULL || add_groups(aggregate, doc, root)))
		text = yyjson_mut_write(doc, YYJSON_WRITE_NOFLAG, &len);
	result = text != NULL ? stage_emit(ctx, text, len)
			      : stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	free(text);
	yyjson_mut_doc_free(doc);
	return result;
}

STAGE(.name = "aggregate", .version = "1.0.0",
	.summary = "Count and add up, overall and by group: the job's report",
	.kind = STAGE_SINK, .threads = STAGE_SERIAL, .instance_size = sizeof(struct aggregate),
	.params = aggregate_params, .open = aggregate_open, .close = aggregate_close,
	.run = aggregate_run, .checkpoint = aggregate_checkpoint, .report = aggregate_report);
