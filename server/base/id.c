#include "base/id.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/random.h"

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

static void put_time(struct id *id, uint64_t ms)
{
	for (int at = 0; at < 6; at++)
		id->bytes[at] = (uint8_t)(ms >> (40 - 8 * at));
}

/* The next higher id, so that ids of one millisecond keep their order. */
static void increment(struct id *id)
{
	for (int at = ID_BYTES - 1; at >= 6; at--)
		if (++id->bytes[at] != 0)
			return;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct id last; /* the newest there is */

static uint64_t time_of(const struct id *id)
{
	uint64_t ms = 0;

	for (int at = 0; at < 6; at++)
		ms = ms << 8 | id->bytes[at];
	return ms;
}

struct id id_new(void)
{
	uint64_t now_ms = clock_wall_ms();
	struct id id;

	pthread_mutex_lock(&lock);
	if (now_ms > time_of(&last)) {
		put_time(&last, now_ms);
		random_bytes(last.bytes + 6, ID_BYTES - 6);
		last.bytes[6] &= 0x7f; /* room to count */
	} else {
		increment(&last);
	}
	id = last;
	pthread_mutex_unlock(&lock);
	return id;
}

void id_follow(const struct id *id)
{
	pthread_mutex_lock(&lock);
	if (memcmp(id->bytes, last.bytes, ID_BYTES) > 0)
		last = *id;
	pthread_mutex_unlock(&lock);
}

void id_format(const struct id *id, char ret_text[static ID_TEXT_SIZE])
{
	unsigned __int128 value = 0;

	for (int at = 0; at < ID_BYTES; at++)
		value = value << 8 | id->bytes[at];
	ret_text[0] = 'j';
	ret_text[1] = '_';
	ret_text[ID_TEXT_SIZE - 1] = '\0';
	for (int at = ID_TEXT_SIZE - 2; at >= 2; at--) {
		ret_text[at] = digits[(unsigned)(value & 31)];
		value >>= 5;
	}
}

bool id_parse(const char *text, struct id *ret_id)
{
	unsigned __int128 value = 0;
	const char *digit;

	if (strlen(text) != ID_TEXT_SIZE - 1 || text[0] != 'j' || text[1] != '_' ||
		text[2] > '7')
		return false;
	for (int at = 2; at < ID_TEXT_SIZE - 1; at++) {
		digit = strchr(digits, text[at]);
		if (digit == NULL)
			return false;
		value = value << 5 | (unsigned)(digit - digits);
	}
	for (int at = ID_BYTES - 1; at >= 0; at--) {
		ret_id->bytes[at] = (uint8_t)value;
		value >>= 8;
	}
	return true;
}
