/* Files that LMDB has made, read page by page: the same records, and no harm by damage. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/pages.h"

#define TABLES 3
#define KEYS   400

static char path[64];

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void table_name(unsigned at, char name[static 8])
{
	snprintf(name, 8, "table%u", at);
}

/* Small values share pages, long ones have pages of their own. */
static size_t value_len(uint64_t random)
{
	return random % 4 == 0 ? random % 30000 : random % 100;
}

static void change(MDB_env *env, uint64_t *seed)
{
	static char bytes[30000];
	MDB_txn *txn;

	cr_assert(eq(int, mdb_txn_begin(env, NULL, 0, &txn), 0));
	for (unsigned n = 0; n < 200; n++) {
		uint64_t random = next_random(seed), number = (random >> 20) % KEYS;
		char name[8], text[24];
		MDB_val key = {
			(size_t)snprintf(text, sizeof(text), "key %06u", (unsigned)number), text
		};
		MDB_val value = { value_len(random >> 32), bytes };
		MDB_dbi dbi;

		table_name(random % TABLES, name);
		cr_assert(eq(int, mdb_dbi_open(txn, name, MDB_CREATE, &dbi), 0));
		memset(bytes, (int)random & 0xff, value.mv_size);
		if (random >> 61 == 0)
			mdb_del(txn, dbi, &key, NULL);
		else
			cr_assert(eq(int, mdb_put(txn, dbi, &key, &value, 0), 0));
	}
	cr_assert(eq(int, mdb_txn_commit(txn), 0));
}

static MDB_env *open_env(unsigned flags)
{
	MDB_env *env;

	cr_assert(eq(int, mdb_env_create(&env), 0));
	mdb_env_set_maxdbs(env, TABLES);
	mdb_env_set_mapsize(env, (size_t)256 << 20);
	cr_assert(eq(int,
		mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC | flags, 0600),
		0));
	return env;
}

static void make_file(uint64_t seed)
{
	MDB_env *env;

	snprintf(path, sizeof(path), "/tmp/leat-pages-%d", (int)getpid());
	unlink(path);
	env = open_env(0);
	for (unsigned n = 0; n < 30; n++)
		change(env, &seed);
	mdb_env_close(env);
}

static void remove_file(void)
{
	unlink(path);
}

TestSuite(pages, .fini = remove_file);

struct sum {
	struct pages *pages;
	uint64_t records, bytes, mixed;
};

static void add(struct sum *sum, const void *key, size_t key_len, const void *data, size_t len)
{
	sum->records++;
	sum->bytes += len;
	for (size_t at = 0; at < key_len; at++)
		sum->mixed = sum->mixed * 31 + ((const unsigned char *)key)[at];
	for (size_t at = 0; at < len; at++)
		sum->mixed = sum->mixed * 31 + ((const unsigned char *)data)[at];
}

static bool on_record(void *arg, const struct pages_node *node)
{
	struct sum *sum = arg;
	struct buf bytes = BUF_INIT;

	if (pages_read(sum->pages, node, &bytes))
		add(sum, node->key, node->key_len, bytes.data, bytes.len);
	buf_done(&bytes);
	return true;
}

static bool on_table(void *arg, const struct pages_node *node)
{
	struct sum *sum = arg;
	struct error err;
	char name[16];

	snprintf(name, sizeof(name), "%.*s", (int)node->key_len, (const char *)node->key);
	if (node->is_table)
		pages_walk(sum->pages, name, node, on_record, sum, &err);
	return true;
}

static void on_trouble(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "# %s\n", text);
}

/* What the pages hold; returns how many troubles were told, -1 where it cannot be opened. */
static int read_pages(struct sum *sum)
{
	struct error err;
	int troubles;

	*sum = (struct sum){ 0 };
	if (pages_open(path, true, on_trouble, NULL, &sum->pages, &err) < 0)
		return -1;
	pages_tables(sum->pages, on_table, sum, &err);
	pages_free_list(sum->pages, &err);
	troubles = (int)pages_troubles(sum->pages);
	pages_close(sum->pages);
	return troubles;
}

static void read_lmdb(struct sum *sum)
{
	MDB_env *env = open_env(MDB_RDONLY);
	MDB_txn *txn;

	*sum = (struct sum){ 0 };
	cr_assert(eq(int, mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0));
	for (unsigned at = 0; at < TABLES; at++) {
		MDB_cursor *cursor;
		MDB_val key, value;
		MDB_dbi dbi;
		char name[8];

		table_name(at, name);
		cr_assert(eq(int, mdb_dbi_open(txn, name, 0, &dbi), 0));
		cr_assert(eq(int, mdb_cursor_open(txn, dbi, &cursor), 0));
		while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
			add(sum, key.mv_data, key.mv_size, value.mv_data, value.mv_size);
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	mdb_env_close(env);
}

Test(pages, random_files_hold_what_lmdb_says_and_no_trouble)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct sum ours, theirs;

		make_file(seed * 0x9e3779b97f4a7c15u);
		read_lmdb(&theirs);
		cr_assert(gt(u64, theirs.records, KEYS));
		cr_assert(eq(int, read_pages(&ours), 0), "seed %u", (unsigned)seed);
		cr_assert(eq(u64, ours.records, theirs.records));
		cr_assert(eq(u64, ours.bytes, theirs.bytes));
		cr_assert(eq(u64, ours.mixed, theirs.mixed));
	}
}

/* The numbers of a page stand at its beginning: a random byte there. Sanitizers look. */
Test(pages, damage_is_told_or_changes_nothing_that_is_counted)
{
	uint64_t seed = 42;
	struct sum whole, sum;
	unsigned told = 0;
	int fd;

	make_file(7);
	cr_assert(eq(int, read_pages(&whole), 0));
	fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert(ge(int, fd, 0));
	for (unsigned n = 0; n < 300; n++) {
		uint64_t random = next_random(&seed);
		off_t size = lseek(fd, 0, SEEK_END);
		off_t at = (off_t)(random % (uint64_t)(size / 4096)) * 4096 +
			   (off_t)(random >> 40) % 64;
		unsigned char was, is;
		int troubles;

		cr_assert(eq(sz, (size_t)pread(fd, &was, 1, at), 1));
		is = was ^ (unsigned char)(1u << (random >> 61));
		cr_assert(eq(sz, (size_t)pwrite(fd, &is, 1, at), 1));
		troubles = read_pages(&sum);
		told += troubles != 0;
		if (troubles == 0)
			cr_assert(eq(u64, sum.records, whole.records), "byte %lld",
				(long long)at);
		cr_assert(eq(sz, (size_t)pwrite(fd, &was, 1, at), 1));
	}
	close(fd);
	cr_assert(gt(u32, told, 0));
}

Test(pages, what_is_cut_off_is_told)
{
	struct sum sum;

	make_file(9);
	for (off_t size = 64 * 4096; size >= 0; size -= 5000) {
		cr_assert(eq(int, truncate(path, size), 0));
		cr_assert(ne(int, read_pages(&sum), 0), "%lld bytes", (long long)size);
	}
}
