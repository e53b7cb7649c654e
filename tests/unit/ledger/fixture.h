/*
 * fixture: ledgers in folders of their own, and short words for what tests do with them.
 */
#ifndef LEAT_TESTS_LEDGER_FIXTURE_H
#define LEAT_TESTS_LEDGER_FIXTURE_H

#include "base/mem.h"
#include "ledger/block.h"
#include "ledger/ledger.h"

/* A new folder below $TMPDIR, of this process; folder_remove() removes it and its files. */
void folder_make(char ret_path[static 256]);
void folder_remove(const char *path);

struct ledger *open_memory(void);
struct ledger *open_lmdb(const char *dir, uint64_t max_bytes);

/* The id whose bytes are all `byte`. */
struct id id_of(uint8_t byte);

/* Every step must work. */
void begin(struct ledger *ledger);
void commit(struct ledger *ledger);
void put_job(struct ledger *ledger, struct id job, const char *definition, const char *record);
void put_input(struct ledger *ledger, struct id job, uint64_t block, const struct buf *bytes);
/* A result block of `count` short lines; `size` > 0 makes it (about) that many bytes long. */
void result_block(struct buf *to, uint64_t seq, uint32_t count, size_t size);
void append_results(
	struct ledger *ledger, struct id job, uint64_t seq, uint32_t count, size_t size);
void append_failure(struct ledger *ledger, struct id job, uint64_t seq);
/* All of it, in as many transactions as it takes; returns their number. */
int erase_all(struct ledger *ledger, struct id job, bool all, size_t budget);

/* `len` bytes that differ by `seed`. */
void fill(struct buf *to, size_t len, unsigned seed);
bool is_filled(const void *bytes, size_t len, unsigned seed);

/* The sequence numbers that each_value() visits from `seq` on, at most `max`; the count. */
size_t numbers_from(struct ledger *ledger, struct id job, enum ledger_log log, uint64_t seq,
	uint64_t *ret, size_t max);
/* The block that next_input() finds from `from` on, -1 for none. */
int64_t next_block(struct ledger *ledger, struct id job, uint64_t from);

#endif
