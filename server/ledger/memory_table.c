#include "ledger/memory_table.h"

#include <assert.h>

#include "base/mem.h"

struct value *value_new(const void *bytes, size_t len)
{
	struct value *value = mem_alloc(sizeof(*value) + len);

	if (value == NULL)
		return NULL;
	value->len = len;
	if (len > 0)
		memcpy(value->bytes, bytes, len);
	return value;
}

size_t table_find(const struct table *table, uint64_t key)
{
	size_t low = 0, high = table->count, middle;

	/* Most look for the end or the front. */
	if (high > 0 && table_at(table, high - 1)->key < key)
		return high;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (table_at(table, middle)->key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int table_reserve(struct table *table, size_t more)
{
	size_t capacity = table->capacity, wanted = table->count + more;
	struct entry *entries;

	if (capacity - table->start - table->count >= more)
		return 0;
	/* Half empty in front: close the gap. Else grow, so that a move pays for many entries.
	 */
	if (wanted > capacity / 2) {
		capacity = MAX(wanted, capacity + capacity / 2 + 8);
		entries = mem_alloc(capacity * sizeof(entries[0]));
		if (entries == NULL)
			return -1;
		if (table->count > 0)
			memcpy(entries, table_at(table, 0), table->count * sizeof(entries[0]));
		mem_free(table->entries);
		table->entries = entries;
		table->capacity = capacity;
	} else {
		memmove(table->entries, table_at(table, 0),
			table->count * sizeof(table->entries[0]));
	}
	table->start = 0;
	return 0;
}

/* Make a hole at `index`, on the shorter side where there is room. */
static void open_hole(struct table *table, size_t index)
{
	struct entry *first = table->entries + table->start;

	if (index < table->count / 2 && table->start > 0) {
		memmove(first - 1, first, index * sizeof(*first));
		table->start--;
	} else {
		assert(table->start + table->count < table->capacity);
		memmove(first + index + 1, first + index,
			(table->count - index) * sizeof(*first));
	}
	table->count++;
}

static void close_hole(struct table *table, size_t index)
{
	struct entry *first = table->entries + table->start;

	if (index < table->count / 2) {
		memmove(first + 1, first, index * sizeof(*first));
		table->start++;
	} else {
		memmove(first + index, first + index + 1,
			(table->count - index - 1) * sizeof(*first));
	}
	table->count--;
}

void table_put(struct table *table, uint64_t key, struct value *value)
{
	size_t index = table_find(table, key);
	struct entry *entry;

	if (index < table->count && table_at(table, index)->key == key) {
		entry = &table->entries[table->start + index];
		table->bytes -= entry->value->len;
		mem_free(entry->value);
	} else {
		open_hole(table, index);
		entry = &table->entries[table->start + index];
	}
	*entry = (struct entry){ key, value };
	table->bytes += value->len;
}

void table_drop(struct table *table, uint64_t key)
{
	size_t index = table_find(table, key);

	if (index == table->count || table_at(table, index)->key != key)
		return;
	table->bytes -= table_at(table, index)->value->len;
	mem_free(table_at(table, index)->value);
	close_hole(table, index);
}

void table_drop_first(struct table *table, size_t count)
{
	for (size_t index = 0; index < count; index++) {
		table->bytes -= table_at(table, index)->value->len;
		mem_free(table_at(table, index)->value);
	}
	table->count -= count;
	table->start = table->count == 0 ? 0 : table->start + count;
}

void table_clear(struct table *table)
{
	table_drop_first(table, table->count);
	mem_free(table->entries);
	*table = (struct table){ 0 };
}
