/*
 * line_map: which line of which file an item came from.
 *
 * Items are numbered without gaps, lines are not (blank lines, several files), so it keeps
 * one entry wherever the two do not go on in step. It stays bounded: after
 * LINE_MAP_MAX such places it knows no more and says so.
 *
 * Thread: one.
 */
#ifndef LEAT_CLI_LINE_MAP_H
#define LEAT_CLI_LINE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#define LINE_MAP_MAX 65536

struct line_map {
	struct line_map_entry {
		uint64_t item, line;
		unsigned file;
	} * entries;
	unsigned count, capacity;
	uint64_t items; /* how many were added */
	bool lost;      /* nothing is known from lost_from on */
	uint64_t lost_from;
};

void line_map_done(struct line_map *map);
/* The next item stands in this line (from 1) of this file. Without memory it is `lost`. */
void line_map_add(struct line_map *map, unsigned file, uint64_t line);
/* False when it is not known. */
bool line_map_find(
	const struct line_map *map, uint64_t item, unsigned *ret_file, uint64_t *ret_line);

#endif
