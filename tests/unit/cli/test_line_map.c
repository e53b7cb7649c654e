/* Which line of which file an item came from. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "cli/line_map.h"

static void expect(const struct line_map *map, uint64_t item, unsigned file, uint64_t line)
{
	unsigned got_file = 99;
	uint64_t got_line = 99;

	cr_assert(line_map_find(map, item, &got_file, &got_line), "item %llu",
		(unsigned long long)item);
	cr_assert(eq(uint, got_file, file));
	cr_assert(eq(u64, got_line, line));
}

Test(line_map, keeps_one_entry_for_lines_without_gaps)
{
	struct line_map map = { 0 };

	for (uint64_t line = 1; line <= 100000; line++)
		line_map_add(&map, 0, line);
	cr_assert(eq(uint, map.count, 1));
	expect(&map, 0, 0, 1);
	expect(&map, 99999, 0, 100000);
	line_map_done(&map);
}

Test(line_map, knows_gaps_and_files)
{
	struct line_map map = { 0 };

	line_map_add(&map, 0, 2); /* the first line was blank */
	line_map_add(&map, 0, 3);
	line_map_add(&map, 0, 7);
	line_map_add(&map, 1, 1);
	line_map_add(&map, 3, 1); /* a file without items between */
	line_map_add(&map, 3, 2);
	expect(&map, 0, 0, 2);
	expect(&map, 1, 0, 3);
	expect(&map, 2, 0, 7);
	expect(&map, 3, 1, 1);
	expect(&map, 4, 3, 1);
	expect(&map, 5, 3, 2);
	line_map_done(&map);
}

Test(line_map, does_not_know_items_to_come)
{
	struct line_map map = { 0 };
	uint64_t line = 5;
	unsigned file = 5;

	cr_assert(not(line_map_find(&map, 0, &file, &line)));
	line_map_add(&map, 0, 1);
	cr_assert(not(line_map_find(&map, 1, &file, &line)));
	cr_assert(eq(u64, line, 5));
	cr_assert(eq(uint, file, 5));
	line_map_done(&map);
}

Test(line_map, stays_bounded_and_says_what_it_does_not_know)
{
	struct line_map map = { 0 };
	uint64_t line;
	unsigned file;

	for (uint64_t i = 0; i < 2 * LINE_MAP_MAX; i++)
		line_map_add(&map, 0, 2 * i + 1);
	cr_assert(eq(uint, map.count, LINE_MAP_MAX));
	expect(&map, LINE_MAP_MAX - 1, 0, 2 * (LINE_MAP_MAX - 1) + 1);
	cr_assert(not(line_map_find(&map, LINE_MAP_MAX, &file, &line)));
	cr_assert(not(line_map_find(&map, 2 * LINE_MAP_MAX - 1, &file, &line)));
	line_map_done(&map);
}
