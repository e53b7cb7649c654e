/* Adds beyond INT_MAX where PLANTED is set. The sum is right all the same. */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdlib.h>

Test(planted, undefined)
{
	volatile int most = INT_MAX, more = getenv("PLANTED") != NULL, sum = most;

	if (more)
		sum = most + more;
	cr_assert_neq(sum, 0);
}
