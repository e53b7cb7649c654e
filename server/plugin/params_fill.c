/* From checked JSON to the members of a C struct. */
#include <stdbool.h>
#include <string.h>

#include "base/json_parse.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "plugin/params.h"
#include "plugin/params_row.h"

struct params_store {
	size_t count;
	char *texts[];
};

/* jansson writes reals with as many digits as it is told; the fewest that read back the same.
 */
static char *dump_line(const json_t *value)
{
	char *text = NULL;

	for (size_t digits = 15; digits <= 17; digits++) {
		json_t *again;
		int same;

		mem_free(text);
		text = json_text(
			value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(digits));
		if (text == NULL)
			return NULL;
		again = json_parse(text, strlen(text), JSON_ALLOW_NUL, NULL);
		same = json_equal(value, again);
		json_decref(again);
		if (same)
			break;
	}
	return text;
}

static int fill_text(const struct stage_param *row, const json_t *value, char *member,
	struct params_store *store)
{
	char *text = row->type == STAGE_JSON ? dump_line(value)
					     : mem_strdup(json_string_value(value));

	if (text == NULL)
		return -1;
	store->texts[store->count++] = text;
	memcpy(member, &text, sizeof(text));
	return 0;
}

static int fill_member(const struct stage_param *row, const json_t *value, char *member,
	struct params_store *store)
{
	int64_t integer;
	double number;
	bool truth;

	switch (row->type) {
	case STAGE_INT:
		integer = json_integer_value(value);
		memcpy(member, &integer, sizeof(integer));
		return 0;
	case STAGE_NUMBER:
		number = json_number_value(value);
		memcpy(member, &number, sizeof(number));
		return 0;
	case STAGE_BOOL:
		truth = json_is_true(value);
		memcpy(member, &truth, sizeof(truth));
		return 0;
	default:
		return fill_text(row, value, member, store);
	}
}

int params_fill(const struct stage *stage, const json_t *params, void *instance,
	struct params_store **ret_store, struct error *err)
{
	const struct stage_param *rows = params_rows(stage);
	struct params_store *store;
	size_t count = 0;

	while (rows[count].name != NULL)
		count++;
	store = mem_zalloc(sizeof(*store) + count * sizeof(store->texts[0]));
	if (store == NULL)
		return error_no_memory(err);
	for (const struct stage_param *row = rows; row->name != NULL; row++) {
		const json_t *value = json_object_get(params, row->name);

		if (value != NULL &&
			fill_member(row, value, (char *)instance + row->offset, store) < 0) {
			params_store_free(store);
			return error_no_memory(err);
		}
	}
	*ret_store = store;
	return 0;
}

void params_store_free(struct params_store *store)
{
	if (store == NULL)
		return;
	for (size_t i = 0; i < store->count; i++)
		mem_free(store->texts[i]);
	mem_free(store);
}
