/*
 * memory_table: values by number, sorted, for the ledger in memory.
 *
 * An array of (key, value) with room at the front, because logs grow at the end and are
 * dropped from the front: both cost nothing, anything between moves the shorter side.
 *
 * Invariant: keys ascend strictly; `bytes` is the sum of the values' lengths.
 */
#ifndef LEAT_LEDGER_MEMORY_TABLE_H
#define LEAT_LEDGER_MEMORY_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct value {
	size_t len;
	char bytes[];
};

struct entry {
	uint64_t key;
	struct value *value;
};

struct table {
	struct entry *entries; /* the first stands at [start] */
	size_t start, count, capacity;
	uint64_t bytes;
};

/* NULL without memory. */
struct value *value_new(const void *bytes, size_t len);

static inline const struct entry *table_at(const struct table *table, size_t index)
{
	return &table->entries[table->start + index];
}

/* Index of the first entry with a key >= `key`; the count if there is none. */
size_t table_find(const struct table *table, uint64_t key);
/* Room for `more` entries, so that as many table_put() cannot fail; -1 without memory. */
int table_reserve(struct table *table, size_t more);
/* Owner: the table takes the value; one that stood there is freed. */
void table_put(struct table *table, uint64_t key, struct value *value);
/* Fine when there is no such key. */
void table_drop(struct table *table, uint64_t key);
void table_drop_first(struct table *table, size_t count);
void table_clear(struct table *table);

#endif
