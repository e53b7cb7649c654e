/* JSON as text: reals in as few digits as may be. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/json_text.h"
#include "base/mem.h"

static void writes(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
	char *again = json_text(json, JSON_ENCODE_ANY | JSON_COMPACT | json_text_reals(json));

	cr_expect_str_eq(again, text);
	mem_free(again);
	json_decref(json);
}

Test(json_text, writes_reals_in_no_more_digits_than_they_have)
{
	writes("{\"a\":[0.003,5234.8,0.424],\"b\":{\"c\":5.76}}");
	writes("8.349271668");
	writes("-1.5e-9");
	writes("0.0");
}

Test(json_text, loses_no_digit_of_a_real_that_has_more)
{
	writes("0.30000000000000004");
	writes("1234567890.1234567");
	writes("[0.5,9007199254740992.0]");
}
