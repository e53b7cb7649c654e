/*
 * fuzz_exec_protocol: whatever a program writes, each line is an answer or is refused with
 * words; what is emitted is one JSON text that reads as what was written, and nothing else is.
 *
 * The first byte chooses the protocol; the rest are lines.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "exec/answer.h"
#include "fuzz.h"

static unsigned emitted;

static void must(int truth)
{
	if (!truth)
		abort();
}

/* The engine's part. */
enum stage_result stage_emit(struct stage_ctx *ctx, const char *json, size_t len)
{
	yyjson_doc *doc = yyjson_read(json, len, YYJSON_READ_NUMBER_AS_RAW);

	must(len > 0 && doc != NULL);
	must(memchr(json, '\n', len) == NULL);
	yyjson_doc_free(doc);
	emitted++;
	return STAGE_OK;
}

enum stage_result stage_fail(
	struct stage_ctx *ctx, enum stage_failure kind, const char *format, ...)
{
	return STAGE_FAILED;
}

static void check(const struct answer *answer, bool framed)
{
	emitted = 0;
	switch (answer->kind) {
	case ANSWER_BAD:
		must(answer->text != NULL && answer->text[0] != '\0');
		break;
	case ANSWER_LOG:
		must(framed && answer->text != NULL);
		break;
	case ANSWER_FAIL:
		must(framed && answer->item != NULL && answer->text != NULL);
		break;
	case ANSWER_EMIT:
		must(answer_emit(answer, NULL) == STAGE_OK);
		if (framed)
			must(answer->item != NULL && emitted == yyjson_arr_size(answer->emit));
		else
			must(emitted == (answer->len > 0));
		break;
	}
}

/* A copy without anything behind it: reading too far is seen. */
static void take(const char *line, size_t len, bool framed)
{
	char *copy = malloc(len + 1);
	struct answer answer;

	must(copy != NULL);
	memcpy(copy, line, len);
	copy[len] = '\n';
	answer_read(&answer, framed, copy, len);
	check(&answer, framed);
	answer_done(&answer);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data + 1, *end = (const char *)data + size;

	if (size < 1)
		return 0;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (stop == NULL)
			stop = end;
		take(at, (size_t)(stop - at), (data[0] & 1) != 0);
		at = stop + 1;
	}
	return 0;
}
