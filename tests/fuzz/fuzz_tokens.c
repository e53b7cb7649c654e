/*
 * fuzz_tokens: whatever stands in the file of tokens, it is refused with words, or taken and
 * written back as the same; and whatever is shown as a token is nobody's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "fuzz.h"
#include "http/tokens_file.h"

static void must(int truth)
{
	if (!truth)
		abort();
}

/* What it became is what it becomes. */
static void check_again(const struct tokens *tokens)
{
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct tokens *back = NULL;
	struct error err;

	must(tokens_format(tokens, &first, &err) == 0);
	must(tokens_parse(first.data, first.len, "again", &back, &err) == 0);
	must(back->count == tokens->count && back->id_count == tokens->id_count);
	must(tokens_format(back, &second, &err) == 0);
	must(first.len == second.len &&
		(first.len == 0 || memcmp(first.data, second.data, first.len) == 0));
	for (size_t at = 0; at < tokens->count; at++) {
		const struct principal *principal = tokens->items[at].principal;

		must(tokens_by_name(back, principal->name) != NULL);
		must(principal->scopes != SCOPE_NONE &&
			token_name_mistake(principal->name) == NULL);
	}
	tokens_succeed(back, tokens);
	tokens_free(back);
	buf_done(&first);
	buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = mem_strndup((const char *)bytes, len); /* up to a NUL, as a header is */
	struct tokens *tokens = NULL;
	struct error err = { 0 };

	if (tokens_parse((const char *)bytes, len, "fuzz", &tokens, &err) == 0) {
		must(tokens_by_text(tokens, text) == NULL);
		check_again(tokens);
		tokens_free(tokens);
	} else {
		must(err.code == ERR_BAD_REQUEST && strncmp(err.text, "fuzz", 4) == 0);
	}
	mem_free(text);
	return 0;
}
