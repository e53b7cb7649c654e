#include "ledger/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "ledger/pages_format.h"

#define DEPTH_MAX 32
/* LMDB may count pages at the end that it never had to write. */
#define UNWRITTEN_MAX (64u << 10)

struct pages {
	int fd;
	bool deep;
	pages_tell tell;
	void *arg;
	unsigned troubles;
	int read_error; /* the last errno of a read; 0: all went well */
	uint64_t file_bytes, page_count;
	size_t page_size;
	struct meta meta; /* the one that counts */
	uint8_t *used;    /* a bit a page */
	uint64_t used_count;
	bool no_memory; /* a value could not be read for want of it */
};

struct bound {
	const uint8_t *bytes; /* NULL: none */
	size_t len;
};

/* One tree's walk. */
struct tree {
	struct pages *pages;
	const char *name;
	struct db db;
	bool integer_keys;
	uint64_t branches, leaves, overflows, entries;
	unsigned depth; /* of the leaves, once known */
	pages_visit visit;
	void *arg;
	bool stop, no_memory;
};

static __attribute__((format(printf, 2, 3))) void trouble(
	struct pages *pages, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pages->troubles++;
	pages->tell(pages->arg, text);
}

static bool read_at(struct pages *pages, uint64_t from, void *to, size_t len)
{
	char *at = to;

	while (len > 0) {
		ssize_t got = pread(pages->fd, at, len, (off_t)from);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			pages->read_error = errno;
		if (got <= 0)
			return false;
		at += got;
		from += (uint64_t)got;
		len -= (size_t)got;
	}
	return true;
}

/* ---- meta pages ---- */

static bool is_power_of_two(size_t n)
{
	return (n & (n - 1)) == 0;
}

static bool meta_is_sound(struct pages *pages, unsigned which, const struct page_head *head,
	const struct meta *meta)
{
	const char *wrong = NULL;

	if (head->pgno != which || head->flags != PAGE_META)
		wrong = "is no meta page";
	else if (meta->magic != LMDB_MAGIC || meta->version != LMDB_DATA_VERSION)
		wrong = "is not LMDB's";
	else if (meta->dbs[DB_FREE].pad < 512 || meta->dbs[DB_FREE].pad > 65536 ||
		 !is_power_of_two(meta->dbs[DB_FREE].pad))
		wrong = "has a wrong page size";
	else if (meta->txnid != 0 && (meta->txnid & 1) != which)
		wrong = "holds a transaction that belongs on the other one";
	else if ((meta->dbs[DB_FREE].flags & ~DB_HOW_MADE) != DB_INTEGER_KEY ||
		 meta->dbs[DB_MAIN].flags != 0)
		wrong = "has wrong flags";
	if (wrong != NULL)
		trouble(pages, "meta page %u %s", which, wrong);
	return wrong == NULL;
}

static bool read_meta(struct pages *pages, unsigned which, size_t page_size, struct meta *ret)
{
	struct {
		struct page_head head;
		struct meta meta;
	} found;

	if (!read_at(pages, which * page_size, &found, sizeof(found))) {
		trouble(pages, "meta page %u cannot be read", which);
		return false;
	}
	*ret = found.meta;
	return meta_is_sound(pages, which, &found.head, &found.meta);
}

/* Where the second one lies the first one says; if it cannot, it is as the system has it. */
static int choose_meta(struct pages *pages, struct error *err)
{
	struct meta metas[2];
	bool sound[2];
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);

	sound[0] = read_meta(pages, 0, page_size, &metas[0]);
	if (sound[0])
		page_size = metas[0].dbs[DB_FREE].pad;
	sound[1] = read_meta(pages, 1, page_size, &metas[1]);
	if (!sound[0] && !sound[1])
		return error_set(err, ERR_STORE, "neither of its two meta pages can be read");
	if (sound[0] && sound[1]) {
		uint64_t a = metas[0].txnid, b = metas[1].txnid;

		if ((a > b ? a - b : b - a) > 1)
			trouble(pages,
				"the meta pages hold transactions %llu and %llu, which do not "
				"follow each other",
				(unsigned long long)a, (unsigned long long)b);
		if (metas[0].dbs[DB_FREE].pad != metas[1].dbs[DB_FREE].pad)
			trouble(pages, "the meta pages differ in the size of a page");
	}
	pages->meta = metas[sound[1] && (!sound[0] || metas[1].txnid > metas[0].txnid)];
	pages->page_size = pages->meta.dbs[DB_FREE].pad;
	return 0;
}

static int prepare(struct pages *pages, struct error *err)
{
	struct stat file;

	if (fstat(pages->fd, &file) != 0)
		return error_set(err, ERR_STORE, "%s", strerror(errno));
	pages->file_bytes = (uint64_t)file.st_size;
	if (choose_meta(pages, err) < 0)
		return -1;
	pages->page_count = pages->file_bytes / pages->page_size;
	if (pages->meta.last_page >= pages->page_count + UNWRITTEN_MAX)
		trouble(pages, "it has %llu pages and should have %llu: it was cut off",
			(unsigned long long)pages->page_count,
			(unsigned long long)pages->meta.last_page + 1);
	pages->used = mem_zalloc(pages->page_count / 8 + 1);
	return pages->used == NULL ? error_no_memory(err) : 0;
}

int pages_open(const char *path, bool deep, pages_tell tell, void *arg, struct pages **ret,
	struct error *err)
{
	struct pages *pages = mem_zalloc(sizeof(*pages));
	struct error why = { 0 };

	if (pages == NULL)
		return error_no_memory(err);
	*pages = (struct pages){ .deep = deep, .tell = tell, .arg = arg };
	pages->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pages->fd < 0)
		error_set(&why, ERR_STORE, "%s", strerror(errno));
	if (pages->fd < 0 || prepare(pages, &why) < 0) {
		if (pages->read_error != 0)
			error_set(&why, ERR_STORE, "%s", strerror(pages->read_error));
		pages_close(pages);
		return why.code == ERR_NO_MEMORY
			       ? error_no_memory(err)
			       : error_set(err, ERR_STORE, "%s cannot be read: %s", path,
					 why.text);
	}
	*ret = pages;
	return 0;
}

void pages_close(struct pages *pages)
{
	if (pages == NULL)
		return;
	if (pages->fd >= 0)
		close(pages->fd);
	mem_free(pages->used);
	mem_free(pages);
}

unsigned pages_troubles(const struct pages *pages)
{
	return pages->troubles;
}

int pages_read_error(const struct pages *pages)
{
	return pages->read_error;
}

bool pages_no_memory(const struct pages *pages)
{
	return pages->no_memory;
}

uint64_t pages_file_bytes(const struct pages *pages)
{
	return pages->file_bytes;
}

uint64_t pages_txn(const struct pages *pages)
{
	return pages->meta.txnid;
}

/* ---- trees ---- */

/* `count` pages from `page` on become used: false, and told, where that cannot be. */
static bool use(struct tree *tree, uint64_t page, uint64_t count)
{
	struct pages *pages = tree->pages;

	if (page < 2 || page >= pages->page_count || count > pages->page_count - page) {
		trouble(pages, "%s: page %llu lies outside of the file", tree->name,
			(unsigned long long)page);
		return false;
	}
	for (uint64_t at = page; at < page + count; at++) {
		if (pages->used[at / 8] >> (at % 8) & 1) {
			trouble(pages, "%s: page %llu is used twice", tree->name,
				(unsigned long long)at);
			return false;
		}
		pages->used[at / 8] |= (uint8_t)(1u << (at % 8));
	}
	return true;
}

static int compare(const struct tree *tree, struct bound a, struct bound b)
{
	uint64_t x, y;
	int order;

	if (tree->integer_keys) {
		memcpy(&x, a.bytes, sizeof(x));
		memcpy(&y, b.bytes, sizeof(y));
		return (x > y) - (x < y);
	}
	order = memcmp(a.bytes, b.bytes, MIN(a.len, b.len));
	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool page_is_sound(struct tree *tree, uint64_t page, const uint8_t *bytes)
{
	size_t size = tree->pages->page_size;
	struct page_head head;

	memcpy(&head, bytes, sizeof(head));
	if (head.pgno == page && head.pad == 0 &&
		(head.flags == PAGE_BRANCH || head.flags == PAGE_LEAF) &&
		head.lower >= sizeof(head) && head.lower <= head.upper && head.upper <= size &&
		head.lower % 2 == 0 && head.upper % 2 == 0)
		return true;
	trouble(tree->pages, "%s: page %llu is damaged", tree->name, (unsigned long long)page);
	return false;
}

/* Node number `index` of a page; its key lies behind the head. */
static bool node_at(struct tree *tree, uint64_t page, const uint8_t *bytes, unsigned index,
	struct node_head *ret, const uint8_t **ret_key)
{
	size_t size = tree->pages->page_size, end;
	struct page_head head;
	uint16_t at;

	memcpy(&head, bytes, sizeof(head));
	memcpy(&at, bytes + sizeof(head) + index * sizeof(at), sizeof(at));
	if (at < head.upper || at + sizeof(*ret) > size)
		goto damaged;
	memcpy(ret, bytes + at, sizeof(*ret));
	end = at + sizeof(*ret) + ret->key_len;
	if (head.flags == PAGE_LEAF)
		end += ret->flags & NODE_OVERFLOW ? sizeof(uint64_t) : node_len(ret);
	if (end > size || (tree->integer_keys && ret->key_len != sizeof(uint64_t) &&
				  !(head.flags == PAGE_BRANCH && index == 0)))
		goto damaged;
	*ret_key = bytes + at + sizeof(*ret);
	return true;
damaged:
	trouble(tree->pages, "%s: page %llu is damaged: record %u lies outside of it",
		tree->name, (unsigned long long)page, index);
	return false;
}

/*
 * A value's own pages: the first says how many they are, and who frees them believes it. They
 * are more than the value needs where it took the place of a longer one of its transaction:
 * LMDB writes over that (mdb_cursor_put(): "we don't bother to try shrinking the page").
 */
static bool check_overflow(struct tree *tree, uint64_t page, size_t len)
{
	struct pages *pages = tree->pages;
	uint64_t count = (sizeof(struct page_head) - 1 + len) / pages->page_size + 1;
	struct page_head head;

	if (pages->deep) {
		if (!read_at(pages, page * pages->page_size, &head, sizeof(head)) ||
			head.pgno != page || head.flags != PAGE_OVERFLOW ||
			overflow_pages(&head) < count) {
			trouble(pages, "%s: page %llu is not the long value that it should be",
				tree->name, (unsigned long long)page);
			return false;
		}
		count = overflow_pages(&head);
	}
	tree->overflows += count;
	return use(tree, page, count);
}

static void visit_leaf_node(
	struct tree *tree, const struct node_head *head, const uint8_t *key, bool in_order)
{
	const uint8_t *data = key + head->key_len;
	struct pages_node node = { key, head->key_len, node_len(head), data, 0,
		(head->flags & NODE_TABLE) != 0, in_order };

	tree->entries++;
	if (head->flags & NODE_OVERFLOW) {
		memcpy(&node.overflow, data, sizeof(node.overflow));
		node.data = NULL;
		if (!check_overflow(tree, node.overflow, node.len))
			return;
	}
	if (tree->visit != NULL && !tree->visit(tree->arg, &node))
		tree->stop = true;
}

static void walk_leaf(struct tree *tree, uint64_t page, const uint8_t *bytes, unsigned count,
	struct bound from, struct bound to)
{
	struct bound last = { 0 };

	tree->leaves++;
	for (unsigned index = 0; index < count && !tree->stop; index++) {
		struct node_head head;
		const uint8_t *key;
		bool in_order = true;
		struct bound at;

		if (!node_at(tree, page, bytes, index, &head, &key))
			continue;
		at = (struct bound){ key, head.key_len };
		if (head.flags & ~(NODE_OVERFLOW | NODE_TABLE) ||
			(last.bytes != NULL && compare(tree, last, at) >= 0) ||
			(from.bytes != NULL && compare(tree, at, from) < 0) ||
			(to.bytes != NULL && compare(tree, at, to) >= 0)) {
			trouble(tree->pages,
				"%s: page %llu is damaged: record %u is not in order",
				tree->name, (unsigned long long)page, index);
			/* Its data may be right; whoever is visited has to see to that. */
			in_order = false;
		} else {
			last = at;
		}
		visit_leaf_node(tree, &head, key, in_order);
	}
}

static void walk_page(
	struct tree *tree, uint64_t page, unsigned depth, struct bound from, struct bound to);

static void walk_branch(struct tree *tree, uint64_t page, const uint8_t *bytes, unsigned count,
	unsigned depth, struct bound from, struct bound to)
{
	struct node_head head, next_head;
	const uint8_t *key, *next_key;

	tree->branches++;
	if (count < 2)
		trouble(tree->pages, "%s: page %llu is a branch of %u", tree->name,
			(unsigned long long)page, count);
	for (unsigned index = 0; index < count && !tree->stop; index++) {
		struct bound low = from, high = to;

		if (!node_at(tree, page, bytes, index, &head, &key))
			continue;
		if (index > 0)
			low = (struct bound){ key, head.key_len };
		if (index + 1 < count &&
			node_at(tree, page, bytes, index + 1, &next_head, &next_key))
			high = (struct bound){ next_key, next_head.key_len };
		walk_page(tree, node_page(&head), depth + 1, low, high);
	}
}

static void walk_sound(struct tree *tree, uint64_t page, const uint8_t *bytes, unsigned depth,
	struct bound from, struct bound to)
{
	struct page_head head;
	unsigned count;

	memcpy(&head, bytes, sizeof(head));
	count = (head.lower - (unsigned)sizeof(head)) / 2;
	if (head.flags == PAGE_BRANCH) {
		walk_branch(tree, page, bytes, count, depth, from, to);
		return;
	}
	if (tree->depth == 0)
		tree->depth = depth;
	if (tree->depth != depth)
		trouble(tree->pages, "%s: page %llu lies at depth %u instead of %u", tree->name,
			(unsigned long long)page, depth, tree->depth);
	walk_leaf(tree, page, bytes, count, from, to);
}

static void walk_page(
	struct tree *tree, uint64_t page, unsigned depth, struct bound from, struct bound to)
{
	size_t size = tree->pages->page_size;
	uint8_t *bytes;

	if (depth > DEPTH_MAX) {
		trouble(tree->pages, "%s: it is too deep", tree->name);
		return;
	}
	if (!use(tree, page, 1))
		return;
	bytes = mem_alloc(size);
	if (bytes == NULL) {
		tree->no_memory = tree->stop = true;
		return;
	}
	if (!read_at(tree->pages, page * size, bytes, size))
		trouble(tree->pages, "%s: page %llu cannot be read: %s", tree->name,
			(unsigned long long)page, strerror(errno));
	else if (page_is_sound(tree, page, bytes))
		walk_sound(tree, page, bytes, depth, from, to);
	mem_free(bytes);
}

/* What is counted in the tree's head must be what was found. Of long values, of whose pages
 * only a deep look knows how many they are, it may count more. */
static void check_counts(struct tree *tree)
{
	const struct db *db = &tree->db;
	bool long_fit = tree->pages->deep ? db->overflow_pages == tree->overflows
					  : db->overflow_pages >= tree->overflows;

	if (db->depth != tree->depth || db->branch_pages != tree->branches ||
		db->leaf_pages != tree->leaves || !long_fit || db->entries != tree->entries)
		trouble(tree->pages,
			"%s: it has %llu records on %llu pages, and should have %llu on %llu",
			tree->name, (unsigned long long)tree->entries,
			tree->branches + 0ULL + tree->leaves + tree->overflows,
			(unsigned long long)db->entries,
			db->branch_pages + 0ULL + db->leaf_pages + db->overflow_pages);
}

static int walk_tree(struct tree *tree, struct error *err)
{
	struct bound none = { 0 };
	unsigned before = tree->pages->troubles;

	if (tree->db.root != NO_PAGE)
		walk_page(tree, tree->db.root, 1, none, none);
	if (tree->no_memory || tree->pages->no_memory)
		return error_no_memory(err);
	/* Where something is wrong already the counts are no news. */
	if (!tree->stop && tree->pages->troubles == before)
		check_counts(tree);
	return 0;
}

int pages_tables(struct pages *pages, pages_visit visit, void *arg, struct error *err)
{
	struct tree tree = { .pages = pages,
		.name = "the list of tables",
		.db = pages->meta.dbs[DB_MAIN],
		.visit = visit,
		.arg = arg };

	return walk_tree(&tree, err);
}

int pages_walk(struct pages *pages, const char *name, const struct pages_node *table,
	pages_visit visit, void *arg, struct error *err)
{
	struct tree tree = { .pages = pages, .name = name, .visit = visit, .arg = arg };

	if (!table->is_table || table->data == NULL || table->len != sizeof(tree.db)) {
		trouble(pages, "%s: it is no table", name);
		return 0;
	}
	memcpy(&tree.db, table->data, sizeof(tree.db));
	if (tree.db.flags != 0 || tree.db.pad != 0)
		trouble(pages, "%s: its head is damaged", name);
	return walk_tree(&tree, err);
}

bool pages_read(struct pages *pages, const struct pages_node *node, struct buf *to)
{
	if (buf_reserve(to, node->len) < 0) {
		pages->no_memory = true;
		return false;
	}
	if (node->data != NULL)
		memcpy(to->data + to->len, node->data, node->len);
	else if (!read_at(pages, node->overflow * pages->page_size + sizeof(struct page_head),
			 to->data + to->len, node->len))
		return false;
	to->len += node->len;
	return true;
}

/* ---- the free list ---- */

struct free_walk {
	struct tree *tree;
	struct buf bytes;
	uint64_t newest; /* the transaction of the last entry */
};

/* An entry is a transaction's number, its value a count and so many pages. */
static bool visit_free(void *arg, const struct pages_node *node)
{
	struct free_walk *walk = arg;
	struct pages *pages = walk->tree->pages;
	uint64_t count = 0, page;

	memcpy(&walk->newest, node->key, sizeof(walk->newest));
	buf_clear(&walk->bytes);
	if (!pages_read(pages, node, &walk->bytes) || node->len < sizeof(count)) {
		if (pages->no_memory)
			return false;
		trouble(pages, "the free list: entry %llu cannot be read",
			(unsigned long long)walk->newest);
		return true;
	}
	memcpy(&count, walk->bytes.data, sizeof(count));
	if (count > node->len / sizeof(count) - 1) {
		trouble(pages, "the free list: entry %llu is damaged",
			(unsigned long long)walk->newest);
		return true;
	}
	for (uint64_t at = 1; at <= count; at++) {
		memcpy(&page, walk->bytes.data + at * sizeof(page), sizeof(page));
		/* Free pages at the end may never have been written. */
		if (page >= pages->page_count && page <= pages->meta.last_page)
			continue;
		if (!use(walk->tree, page, 1))
			break;
	}
	return true;
}

int pages_free_list(struct pages *pages, struct error *err)
{
	struct tree tree = { .pages = pages,
		.name = "the free list",
		.db = pages->meta.dbs[DB_FREE],
		.integer_keys = true,
		.visit = visit_free };
	struct free_walk walk = { .tree = &tree };
	int result;

	tree.arg = &walk;
	tree.db.pad = 0;
	result = walk_tree(&tree, err);
	buf_done(&walk.bytes);
	/* Every commit frees pages and says so under its number: it tells the newest one. */
	if (result == 0 && tree.entries > 0 && walk.newest != pages->meta.txnid)
		trouble(pages,
			"the free list ends with transaction %llu, the meta page with %llu",
			(unsigned long long)walk.newest, (unsigned long long)pages->meta.txnid);
	return result;
}
