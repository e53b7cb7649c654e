/*
 * fuzz_template: no template and no value crashes the code; a header stays one line, JSON stays
 * JSON, and a URL's value stays inside of its place.
 *
 * Up to the first zero byte it is the template, behind it the item, which is passed over where
 * it is no JSON.
 */
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "call/template.h"
#include "fuzz.h"

static void must(int truth)
{
	if (!truth)
		abort();
}

static bool is_json(const char *text, size_t len)
{
	yyjson_doc *doc = yyjson_read(text, len, YYJSON_READ_NUMBER_AS_RAW);

	yyjson_doc_free(doc);
	return doc != NULL;
}

static void check(enum template_how how, const struct stage_text *out, bool plain)
{
	if (how == TEMPLATE_JSON)
		must(is_json(out->at, out->len));
	if (how == TEMPLATE_HEADER && plain)
		must(memchr(out->at, '\n', out->len) == NULL &&
			memchr(out->at, '\r', out->len) == NULL);
}

static void try(const char *text, size_t len, struct stage_slice item, enum template_how how)
{
	struct template template = { 0 };
	struct template_why why = { 0 };
	struct stage_text out = { 0 };
	bool plain = memchr(text, '\n', len) == NULL && memchr(text, '\r', len) == NULL;
	int done = how == TEMPLATE_JSON ? template_parse_json(&template, text, len, NULL, &why)
					: template_parse(&template, text, len, how, NULL, &why);

	if (done < 0) {
		must(template.count == 0 && why.text[0] != '\0');
		return;
	}
	if (template_write(&template, item, &out, &why) == 0)
		check(how, &out, plain);
	else
		must(why.text[0] != '\0');
	stage_text_done(&out);
	template_done(&template);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
	size_t len = zero == NULL ? size : (size_t)(zero - data);
	size_t item_len = zero == NULL ? 0 : size - len - 1;
	char *text = malloc(len + 1), *item = malloc(item_len + 1);

	must(text != NULL && item != NULL);
	if (size > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	if (item_len > 0)
		memcpy(item, zero + 1, item_len);
	item[item_len] = '\0';
	if (memchr(item, '\n', item_len) == NULL && is_json(item, item_len)) {
		struct stage_slice value = { stage_skip_blanks(item), 0 };

		value.len = item_len - (size_t)(value.at - item);
		while (stage_is_blank(value.at[value.len - 1]))
			value.len--;
		for (enum template_how how = TEMPLATE_TEXT; how <= TEMPLATE_JSON; how++)
			try(text, len, value, how);
	}
	free(text);
	free(item);
	return 0;
}
