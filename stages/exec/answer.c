#include "answer.h"

#include <stdlib.h>
#include <string.h>

static void bad(struct answer *answer, const char *why)
{
	answer->kind = ANSWER_BAD;
	answer->text = why;
}

static bool is_blank(const char *line, size_t len)
{
	while (len > 0 && (*line == ' ' || *line == '\t' || *line == '\r')) {
		line++;
		len--;
	}
	return len == 0;
}

static const char *text_of(yyjson_val *value)
{
	return yyjson_is_str(value) ? yyjson_get_str(value) : NULL;
}

static void read_frame(struct answer *answer, yyjson_val *root)
{
	yyjson_val *item = yyjson_obj_get(root, "item"), *error = yyjson_obj_get(root, "error");
	yyjson_val *log = yyjson_obj_get(root, "log");

	if (item == NULL && yyjson_is_str(log)) {
		answer->kind = ANSWER_LOG;
		answer->text = text_of(log);
		return;
	}
	if (!yyjson_is_str(item)) {
		bad(answer, "an answer without \"item\"");
		return;
	}
	answer->item = yyjson_get_str(item);
	answer->item_len = yyjson_get_len(item);
	answer->emit = yyjson_obj_get(root, "emit");
	answer->transient = yyjson_is_true(yyjson_obj_get(root, "transient"));
	if (yyjson_is_str(error)) {
		answer->kind = ANSWER_FAIL;
		answer->text = text_of(error);
	} else if (yyjson_is_arr(answer->emit)) {
		answer->kind = ANSWER_EMIT;
	} else {
		bad(answer, "an answer with neither \"emit\":[…] nor \"error\":\"…\"");
	}
}

void answer_read(struct answer *answer, bool framed, const char *line, size_t len)
{
	*answer = (struct answer){ .kind = ANSWER_EMIT, .line = line, .len = len };
	if (!framed && is_blank(line, len)) {
		answer->len = 0;
		return;
	}
	/* The text is only read: no flag asks for parsing in place. */
	answer->doc = yyjson_read_opts(
		(char *)(uintptr_t)line, len, YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);
	if (answer->doc == NULL)
		bad(answer, "no JSON");
	else if (framed && !yyjson_is_obj(yyjson_doc_get_root(answer->doc)))
		bad(answer, "no JSON object");
	else if (framed)
		read_frame(answer, yyjson_doc_get_root(answer->doc));
}

void answer_done(struct answer *answer)
{
	yyjson_doc_free(answer->doc);
	answer->doc = NULL;
}

static enum stage_result emit_value(yyjson_val *value, struct stage_ctx *ctx)
{
	size_t len;
	char *text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &len);
	enum stage_result result;

	if (text == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "out of memory");
	result = stage_emit(ctx, text, len);
	free(text);
	return result;
}

enum stage_result answer_emit(const struct answer *answer, struct stage_ctx *ctx)
{
	enum stage_result result = STAGE_OK;
	size_t at, max;
	yyjson_val *value;

	if (answer->emit == NULL)
		return answer->len == 0 ? STAGE_OK : stage_emit(ctx, answer->line, answer->len);
	yyjson_arr_foreach(answer->emit, at, max, value)
	{
		if (result == STAGE_OK)
			result = emit_value(value, ctx);
	}
	return result;
}
