/*
 * pages: an LMDB file read without LMDB, page by page, believing nothing.
 *
 * LMDB trusts its file: a damaged page may make it answer wrongly, or crash. This reads the
 * same format (data version 1 of LMDB 0.9) through pread() with every offset, count and
 * number checked: that the trees are trees, keys ascend and lie where a search looks for
 * them, no page is used twice or used and free, and that what the two meta pages count is
 * what is there. It changes nothing, and must not run beside somebody who writes.
 *
 * What is wrong is told in words, one call each; a walk goes on behind it with what can
 * still be read. What the values hold is not looked at.
 *
 * Thread: one.
 */
#ifndef LEAT_LEDGER_PAGES_H
#define LEAT_LEDGER_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct pages;

/* What is wrong, once for each thing found. */
typedef void (*pages_tell)(void *arg, const char *text);

/* A record in a leaf; pointers are good for the call. */
struct pages_node {
	const void *key;
	size_t key_len;
	size_t len;        /* of its data */
	const void *data;  /* NULL: on pages of its own, pages_read() */
	uint64_t overflow; /* the first of them */
	bool is_table;     /* its data are a tree */
	bool in_order;     /* behind the one in front of it, where a search looks for it */
};
/* False ends the walk. */
typedef bool (*pages_visit)(void *arg, const struct pages_node *node);

/*
 * Open the file and choose the newer of its meta pages; `deep`: also look at pages of long
 * values. ERR_STORE where it cannot be read at all, or neither meta page can be believed.
 */
int pages_open(const char *path, bool deep, pages_tell tell, void *arg, struct pages **ret,
	struct error *err);
void pages_close(struct pages *pages);

/* How many things were told. */
unsigned pages_troubles(const struct pages *pages);
/* Why a read failed, if one did: then what was told may be the disk's fault and pass; or 0. */
int pages_read_error(const struct pages *pages);
/* Has pages_read() found no memory? That is no damage: a visitor tells nothing and stops, and
 * the walk ends with ERR_NO_MEMORY. */
bool pages_no_memory(const struct pages *pages);
uint64_t pages_file_bytes(const struct pages *pages);
/* Of the state that was chosen. */
uint64_t pages_txn(const struct pages *pages);

/* -1: without memory, or the file cannot be read any more; a visit that said stop is 0. */
int pages_tables(struct pages *pages, pages_visit visit, void *arg, struct error *err);
/* The records of a table that was visited. */
int pages_walk(struct pages *pages, const char *name, const struct pages_node *table,
	pages_visit visit, void *arg, struct error *err);
/* The list of free pages; after all tables. */
int pages_free_list(struct pages *pages, struct error *err);

/* Append a node's data; false where they cannot be read. */
bool pages_read(struct pages *pages, const struct pages_node *node, struct buf *to);

#endif
