/*
 * Reads one byte behind what it allocated where PLANTED is set. That is zero like the others,
 * so no assertion minds; the pointer is volatile, so that the compiler cannot know its size.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

Test(planted, overflow)
{
	size_t size = 13;
	char *volatile bytes = calloc(1, size);
	char last;

	cr_assert_not_null(bytes);
	last = bytes[getenv("PLANTED") != NULL ? size : size - 1];
	free(bytes);
	cr_assert_eq(last, 0);
}
