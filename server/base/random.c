#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

void random_bytes(void *to, size_t len)
{
	char *at = to;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		assert(got > 0 || errno == EINTR);
		if (got > 0) {
			at += got;
			len -= (size_t)got;
		}
	}
}

/* splitmix64, Steele, Lea and Flood: "Fast splittable pseudorandom number generators", 2014. */
uint64_t random_below(uint64_t bound)
{
	static _Thread_local uint64_t state;
	uint64_t z;

	if (bound == 0)
		return 0;
	if (state == 0)
		random_bytes(&state, sizeof(state));
	z = (state += 0x9e3779b97f4a7c15ull);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return (uint64_t)((unsigned __int128)z * bound >> 64);
}
