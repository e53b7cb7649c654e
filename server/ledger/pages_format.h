/*
 * pages_format: the bytes of an LMDB 0.9 file (data version 1), as far as pages.c reads them.
 *
 * From mdb.c, https://git.openldap.org/openldap/openldap/-/tree/LMDB_0.9.24/libraries/liblmdb.
 * All integers are the machine's own.
 */
#ifndef LEAT_LEDGER_PAGES_FORMAT_H
#define LEAT_LEDGER_PAGES_FORMAT_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define LMDB_MAGIC        0xBEEFC0DEu
#define LMDB_DATA_VERSION 1u
#define NO_PAGE           UINT64_MAX

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };

struct page_head { /* then, in branches and leaves, a u16 offset a node */
	uint64_t pgno;
	uint16_t pad, flags;
	uint16_t lower, upper; /* end of the offsets, begin of the nodes; or the count below */
};

/* Of an overflow page: in the place of lower and upper. */
static inline uint32_t overflow_pages(const struct page_head *head)
{
	return (uint32_t)head->upper << 16 | head->lower;
}

enum { NODE_OVERFLOW = 1, NODE_TABLE = 2 };

struct node_head { /* then the key, then, in a leaf, the data or where they are */
	uint16_t low, high;
	uint16_t flags;
	uint16_t key_len;
};

static inline size_t node_len(const struct node_head *head)
{
	return (size_t)head->high << 16 | head->low;
}

static inline uint64_t node_page(const struct node_head *head)
{
	return (uint64_t)head->flags << 32 | (uint64_t)head->high << 16 | head->low;
}

enum { DB_FREE, DB_MAIN };
#define DB_INTEGER_KEY 0x08
/* How the file was made stands among the flags of the free list: MDB_NOSUBDIR. */
#define DB_HOW_MADE 0x4000

struct db {
	uint32_t pad; /* of the free list: the size of a page */
	uint16_t flags, depth;
	uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct meta { /* behind a page's head */
	uint32_t magic, version;
	uint64_t address, map_size;
	struct db dbs[2];
	uint64_t last_page, txnid;
};

static_assert(sizeof(struct page_head) == 16 && sizeof(struct node_head) == 8 &&
		      sizeof(struct db) == 48 && sizeof(struct meta) == 136,
	"as on disk");

#endif
