#include "cli/line_map.h"

#include "base/mem.h"

void line_map_done(struct line_map *map)
{
	mem_free(map->entries);
	*map = (struct line_map){ 0 };
}

static bool goes_on(const struct line_map *map, unsigned file, uint64_t line)
{
	const struct line_map_entry *last;

	if (map->count == 0)
		return false;
	last = &map->entries[map->count - 1];
	return last->file == file && last->line + (map->items - last->item) == line;
}

static bool grow(struct line_map *map)
{
	unsigned capacity = map->capacity > 0 ? 2 * map->capacity : 16;
	struct line_map_entry *entries;

	if (map->count < map->capacity)
		return true;
	if (map->count >= LINE_MAP_MAX)
		return false;
	entries = mem_realloc(map->entries, capacity * sizeof(*entries));
	if (entries == NULL)
		return false;
	map->entries = entries;
	map->capacity = capacity;
	return true;
}

void line_map_add(struct line_map *map, unsigned file, uint64_t line)
{
	if (!map->lost && !goes_on(map, file, line)) {
		map->lost = !grow(map);
		if (!map->lost)
			map->entries[map->count++] = (struct line_map_entry){
				.item = map->items, .line = line, .file = file
			};
		else
			map->lost_from = map->items;
	}
	map->items++;
}

bool line_map_find(
	const struct line_map *map, uint64_t item, unsigned *ret_file, uint64_t *ret_line)
{
	unsigned low = 0, high = map->count;

	if (item >= map->items || (map->lost && item >= map->lost_from) || map->count == 0)
		return false;
	while (high - low > 1) {
		unsigned middle = low + (high - low) / 2;

		if (map->entries[middle].item <= item)
			low = middle;
		else
			high = middle;
	}
	*ret_file = map->entries[low].file;
	*ret_line = map->entries[low].line + (item - map->entries[low].item);
	return true;
}
