/* Forgets what it allocated where PLANTED is set. Criterion lets that pass and exits 0. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static char *volatile kept;

Test(planted, leak)
{
	kept = strdup("nobody frees this");
	cr_assert_not_null(kept);
	if (getenv("PLANTED") == NULL)
		free(kept);
	kept = NULL;
}
