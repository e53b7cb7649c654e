/* Numbers with units: what is taken, what is refused, and how they are shown. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "base/mem.h"
#include "cli/units.h"

static const struct {
	enum unit unit;
	const char *text;
	uint64_t value;
} good[] = {
	{ UNIT_COUNT, "0", 0 },
	{ UNIT_COUNT, "1024", 1024 },
	{ UNIT_COUNT, "9223372036854775807", INT64_MAX },
	{ UNIT_BYTES, "65536", 65536 },
	{ UNIT_BYTES, "64k", 65536 },
	{ UNIT_BYTES, "64K", 65536 },
	{ UNIT_BYTES, "64KiB", 65536 },
	{ UNIT_BYTES, "64 kib", 65536 },
	{ UNIT_BYTES, "1.5M", 3 << 19 },
	{ UNIT_BYTES, "2G", 2ull << 30 },
	{ UNIT_BYTES, "1TiB", 1ull << 40 },
	{ UNIT_BYTES, "512b", 512 },
	{ UNIT_MS, "250", 250 },
	{ UNIT_MS, "250ms", 250 },
	{ UNIT_MS, "10s", 10000 },
	{ UNIT_MS, "0.25 s", 250 },
	{ UNIT_MS, "5m", 300000 },
	{ UNIT_MS, "5min", 300000 },
	{ UNIT_MS, "2h", 7200000 },
	{ UNIT_MS, "7d", 604800000 },
};

Test(units, take_what_people_write)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct error err = { 0 };
		uint64_t value = 1;

		cr_assert(unit_parse(good[i].unit, good[i].text, &value, &err) == 0, "%s: %s",
			good[i].text, err.text);
		cr_assert(value == good[i].value, "%s is %llu", good[i].text,
			(unsigned long long)value);
	}
}

static const struct {
	enum unit unit;
	const char *text, *why;
} bad[] = {
	{ UNIT_COUNT, "", "'' is not a whole number such as 8" },
	{ UNIT_COUNT, "eight", "'eight' is not a whole number such as 8" },
	{ UNIT_COUNT, "-1", "'-1' is not a whole number such as 8" },
	{ UNIT_COUNT, "1.5", "'1.5' is not a whole number such as 8" },
	{ UNIT_COUNT, "8k", "'8k' is not a whole number such as 8" },
	{ UNIT_COUNT, " 8", "' 8' is not a whole number such as 8" },
	{ UNIT_COUNT, "9223372036854775808", "'9223372036854775808' is too large a number" },
	{ UNIT_COUNT, "99999999999999999999999",
		"'99999999999999999999999' is too large a number" },
	{ UNIT_BYTES, "64kB", "'64kB' is not a size such as 65536, 64k, 16MiB or 2G" },
	{ UNIT_BYTES, "k", "'k' is not a size such as 65536, 64k, 16MiB or 2G" },
	{ UNIT_BYTES, "10s", "'10s' is not a size such as 65536, 64k, 16MiB or 2G" },
	{ UNIT_BYTES, "9999999T", "'9999999T' is too large a number" },
	{ UNIT_MS, "5x", "'5x' is not a time such as 250, 250ms, 10s, 5m, 2h or 7d" },
	{ UNIT_MS, "0.5ms", "'0.5ms' is not a time such as 250, 250ms, 10s, 5m, 2h or 7d" },
};

Test(units, refuse_the_rest_and_say_what_is_wanted)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error err = { 0 };
		uint64_t value = 4711;

		cr_assert(unit_parse(bad[i].unit, bad[i].text, &value, &err) < 0,
			"'%s' is taken", bad[i].text);
		cr_assert(eq(str, err.text, (char *)bad[i].why));
		cr_assert(eq(u64, value, 4711));
	}
}

static const struct {
	enum unit unit;
	uint64_t value;
	const char *text;
} shown[] = {
	{ UNIT_COUNT, 1024, "1024" },
	{ UNIT_BYTES, 0, "0" },
	{ UNIT_BYTES, 1000, "1000" },
	{ UNIT_BYTES, 1 << 20, "1 MiB" },
	{ UNIT_BYTES, 1536 << 10, "1536 KiB" },
	{ UNIT_BYTES, 64ull << 30, "64 GiB" },
	{ UNIT_MS, 0, "0 ms" },
	{ UNIT_MS, 50, "50 ms" },
	{ UNIT_MS, 10000, "10 s" },
	{ UNIT_MS, 60000, "1 min" },
	{ UNIT_MS, 604800000, "7 d" },
};

Test(units, are_shown_as_they_may_be_written)
{
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		char text[UNIT_TEXT_SIZE];
		uint64_t again = 0;

		unit_format(shown[i].unit, shown[i].value, text);
		cr_assert(eq(str, text, (char *)shown[i].text));
		cr_assert(unit_parse(shown[i].unit, text, &again, NULL) == 0);
		cr_assert(eq(u64, again, shown[i].value));
	}
}
