/*
 * gen-orders COUNT [SEED]: orders to stdout, one JSON object of about 200 bytes a line.
 *
 * The same COUNT and SEED make the same bytes on every machine, so that results can be
 * compared across programs and runs. About one order in 64 has qty 0, which is what the
 * `orders` work drops. It is put together from parts made beforehand, so that making the
 * input takes no time worth speaking of next to working on it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OUT_BYTES = 1 << 18,
	ORDER_BYTES_MAX = 512, /* more than any order has */
	PART_BYTES = 40,       /* every part is copied whole and cut by its length */
	TEXT_PARTS = 4,
};

struct part {
	unsigned char length;
	char bytes[PART_BYTES];
};

#define PART(text)                     \
	{                              \
		sizeof(text) - 1, text \
	}

static const struct part names[] = {
	PART("Ada Lovelace"),
	PART("Grace Hopper"),
	PART("Edsger Dijkstra"),
	PART("Barbara Liskov"),
	PART("Donald Knuth"),
	PART("Jean Bartik"),
	PART("Niklaus Wirth"),
	PART("Frances Allen"),
	PART("Zo\xc3\xab M\xc3\xbcller"),
	PART("Ken Thompson"),
	PART("Radia Perlman"),
	PART("Dennis Ritchie"),
	PART("Lynn Conway"),
	PART("Tony Hoare"),
	PART("Karen Jones"),
	PART("Alan \\\"Al\\\" Kay"),
};

static const struct part cities[] = {
	PART("Tavistock"),
	PART("Plymouth"),
	PART("Z\xc3\xbcrich"),
	PART("Bergen"),
	PART("Lisboa"),
	PART("Krak\xc3\xb3w"),
	PART("Graz"),
	PART("Turku"),
	PART("Ghent"),
	PART("Porto"),
	PART("Uppsala"),
	PART("Galway"),
	PART("Trieste"),
	PART("Aarhus"),
	PART("Leiden"),
	PART("Basel"),
};

static const struct part tags[] = {
	PART("\"new\",\"gift\""),
	PART("\"bulk\""),
	PART("\"express\",\"paid\""),
	PART("\"paid\""),
	PART("\"gift\",\"wrapped\""),
	PART("\"returning\""),
	PART("\"b2b\",\"net30\""),
	PART("\"fragile\""),
};

static const struct part phrases[] = {
	PART("leave it at the door "),
	PART("call before coming "),
	PART("two boxes, one pallet "),
	PART("same as the last time "),
	PART("the blue one, please "),
	PART("not before nine o'clock "),
	PART("ask for the miller "),
	PART("behind the old weir "),
	PART("keep it out of the rain "),
	PART("mind the low bridge "),
	PART("sign for the parcels "),
	PART("with the usual invoice "),
	PART("first floor, left "),
	PART("no plastic, thank you "),
	PART("as soon as it is in "),
	PART("the gate code is 4711 "),
};

/* splitmix64: one multiplication chain a number, the same on every machine. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static char *put_part(char *at, const struct part *part)
{
	memcpy(at, part->bytes, PART_BYTES);
	return at + part->length;
}

static char *put_text(char *at, const char *text, size_t length)
{
	memcpy(at, text, length);
	return at + length;
}

#define PUT(at, literal) put_text(at, literal, sizeof(literal) - 1)

static char *put_number(char *at, uint64_t number)
{
	char digits[20];
	size_t first = sizeof(digits);

	do {
		digits[--first] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	return put_text(at, digits + first, sizeof(digits) - first);
}

static char *put_price(char *at, unsigned cents)
{
	at = put_number(at, cents / 100);
	*at++ = '.';
	*at++ = (char)('0' + cents / 10 % 10);
	if (cents % 10 != 0)
		*at++ = (char)('0' + cents % 10);
	return at;
}

/* Each field takes bits of its own of the two random numbers. */
static char *put_order(char *at, uint64_t id, uint64_t *random)
{
	uint64_t a = next_random(random), b = next_random(random);
	unsigned qty = (a & 63) == 0 ? 0 : 1 + (a >> 6 & 7);

	at = PUT(at, "{\"id\":");
	at = put_number(at, id);
	at = PUT(at, ",\"customer\":{\"name\":\"");
	at = put_part(at, &names[a >> 9 & 15]);
	at = PUT(at, "\",\"city\":\"");
	at = put_part(at, &cities[a >> 13 & 15]);
	at = PUT(at, "\"},\"price\":");
	at = put_price(at, (unsigned)(a >> 32) % 50000);
	at = PUT(at, ",\"qty\":");
	*at++ = (char)('0' + qty);
	at = PUT(at, ",\"tags\":[");
	at = put_part(at, &tags[a >> 17 & 7]);
	at = PUT(at, "],\"text\":\"");
	for (unsigned i = 0; i < TEXT_PARTS; i++)
		at = put_part(at, &phrases[b >> (4 * i) & 15]);
	at[-1] = '.';
	return PUT(at, "\"}\n");
}

static int write_all(const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

static int generate(uint64_t count, uint64_t seed)
{
	static char out[OUT_BYTES + ORDER_BYTES_MAX];
	char *at = out;

	for (uint64_t id = 0; id < count; id++) {
		at = put_order(at, id, &seed);
		if (at < out + OUT_BYTES)
			continue;
		if (write_all(out, (size_t)(at - out)) < 0)
			return -1;
		at = out;
	}
	return write_all(out, (size_t)(at - out));
}

static int parse_number(const char *text, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return errno != 0 || end == text || *end != '\0' || *text == '-' ? -1 : 0;
}

int main(int argc, char **argv)
{
	uint64_t count, seed = 1;

	if (argc < 2 || argc > 3 || parse_number(argv[1], &count) < 0 ||
		(argc == 3 && parse_number(argv[2], &seed) < 0)) {
		fprintf(stderr, "usage: gen-orders COUNT [SEED]\n");
		return 2;
	}
	if (generate(count, seed) < 0) {
		fprintf(stderr, "gen-orders: cannot write: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
