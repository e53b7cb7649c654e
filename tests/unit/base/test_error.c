/* Errors as values: one table, texts that are cut where a character ends. */
#include <criterion/criterion.h>

#include "base/error.h"
#include "base/mem.h"

Test(error, set_fills_in_and_returns_a_failure)
{
	struct error err;

	cr_expect_lt(error_set(&err, ERR_BAD_QUERY, "workers is %d", 0), 0);
	cr_expect_eq(err.code, ERR_BAD_QUERY);
	cr_expect_str_eq(err.text, "workers is 0");
	cr_expect_lt(error_set(NULL, ERR_BAD_QUERY, "nobody wants to know"), 0);
	cr_expect_lt(error_no_memory(&err), 0);
	cr_expect_eq(err.code, ERR_NO_MEMORY);
}

/* Is it UTF-8 to its last byte? */
static bool is_whole(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at != '\0') {
		int more = *at < 0x80 ? 0 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;

		for (at++; more > 0; more--, at++)
			if ((*at & 0xc0) != 0x80)
				return false;
	}
	return true;
}

Test(error, a_long_text_is_cut_between_characters)
{
	static const char *const letters[] = { "a", "é", "€", "🙂" };
	char text[ERROR_TEXT_MAX * 5];
	struct error err;

	for (size_t letter = 0; letter < ARRAY_SIZE(letters); letter++) {
		for (size_t shift = 0; shift < 8; shift++) {
			memset(text, 'x', shift);
			text[shift] = '\0';
			while (strlen(text) < ERROR_TEXT_MAX * 2)
				strcat(text, letters[letter]);
			error_set(&err, ERR_INTERNAL, "%s", text);
			cr_expect(is_whole(err.text), "%s after %zu", letters[letter], shift);
			cr_expect_geq(strlen(err.text), ERROR_TEXT_MAX - 8);
			cr_expect_eq(strncmp(err.text, text, strlen(err.text)), 0);
		}
	}
}

Test(error, a_text_that_just_fits_is_not_cut)
{
	char text[ERROR_TEXT_MAX];
	struct error err;

	memset(text, 'x', sizeof(text));
	strcpy(text + sizeof(text) - 3, "é");
	error_set(&err, ERR_INTERNAL, "%s", text);
	cr_expect_str_eq(err.text, text);
}

Test(error, every_code_has_its_row)
{
	for (int code = 1; code < ERR_COUNT; code++) {
		const struct error_info *info = error_info(code);

		cr_expect(info->status >= 400 && info->status < 600);
		cr_expect_gt(strlen(info->title), 0);
		cr_expect_eq(strspn(info->slug, "abcdefghijklmnopqrstuvwxyz-"),
			strlen(info->slug), "%s", info->slug);
		for (int other = 1; other < code; other++)
			cr_expect_str_neq(info->slug, error_info(other)->slug);
	}
}
