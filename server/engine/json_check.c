#include <string.h>
#include <yyjson.h>

#include "base/mem.h"
#include "engine/split.h"

/*
 * yyjson reads into a pool that is set up anew for each item: no allocation an item. Numbers
 * stay text, so that their grammar alone decides: an item with an integer of forty digits is
 * none of our business.
 */
#define FLAGS     YYJSON_READ_NUMBER_AS_RAW
#define DEPTH_MAX 1024
#define POOL_KEEP ((size_t)1 << 20) /* of a longer item the pool is given back */

struct json_check {
	char *pool;
	size_t size;
};

int json_check_new(struct json_check **ret, struct error *err)
{
	struct json_check *check = mem_zalloc(sizeof(*check));

	if (check == NULL)
		return error_no_memory(err);
	*ret = check;
	return 0;
}

void json_check_free(struct json_check *check)
{
	if (check == NULL)
		return;
	mem_free(check->pool);
	mem_free(check);
}

static int make_pool(struct json_check *check, size_t len, struct error *err)
{
	size_t size = yyjson_read_max_memory_usage(len, FLAGS);
	char *pool;

	if (size <= check->size)
		return 0;
	size += size / 4;
	pool = mem_alloc(size);
	if (pool == NULL)
		return error_no_memory(err);
	mem_free(check->pool);
	check->pool = pool;
	check->size = size;
	return 0;
}

static void trim_pool(struct json_check *check)
{
	if (check->size <= POOL_KEEP)
		return;
	mem_free(check->pool);
	check->pool = NULL;
	check->size = 0;
}

/* Deeper than allowed, of a text that is known to be right? */
static bool too_deep(const char *bytes, size_t len)
{
	size_t depth = 0, brackets = 0;

	for (size_t at = 0; at < len; at++)
		brackets += bytes[at] == '[' || bytes[at] == '{';
	if (brackets <= DEPTH_MAX)
		return false;
	for (size_t at = 0; at < len; at++) {
		if (bytes[at] == '"') {
			for (at++; bytes[at] != '"'; at++)
				at += bytes[at] == '\\';
		} else if (bytes[at] == '[' || bytes[at] == '{') {
			if (++depth > DEPTH_MAX)
				return true;
		} else if (bytes[at] == ']' || bytes[at] == '}') {
			depth--;
		}
	}
	return false;
}

static int say_invalid(const yyjson_read_err *bad, size_t len, struct error *err)
{
	/* The pool has room for every right text of this length, so this is none: a value that
	 * is not ended may take more. */
	if (bad->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return error_set(err, ERR_ITEM_INVALID,
			"not JSON: its arrays and objects are not ended");
	if (bad->pos >= len)
		return error_set(err, ERR_ITEM_INVALID,
			"not JSON: it ends too early, after %zu bytes", len);
	return error_set(
		err, ERR_ITEM_INVALID, "not JSON: %s at byte %zu", bad->msg, bad->pos + 1);
}

int json_check(struct json_check *check, const char *bytes, size_t len, struct error *err)
{
	yyjson_read_err bad;
	yyjson_doc *doc;
	yyjson_alc alc;
	int result = 0;

	if (make_pool(check, len, err) < 0)
		return -1;
	yyjson_alc_pool_init(&alc, check->pool, check->size);
	/* The cast is yyjson's: it only writes where it reads in place. */
	doc = yyjson_read_opts((char *)(uintptr_t)bytes, len, FLAGS, &alc, &bad);
	if (doc == NULL)
		result = say_invalid(&bad, len, err);
	else if (len > 2 * DEPTH_MAX && too_deep(bytes, len))
		result =
			error_set(err, ERR_ITEM_INVALID, "nested more than %d deep", DEPTH_MAX);
	trim_pool(check);
	return result;
}
