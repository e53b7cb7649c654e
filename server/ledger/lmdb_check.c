#include "ledger/lmdb_check.h"

#include <stdio.h>

#include "ledger/pages.h"

struct db_head {
	bool found;
	char bytes[64];
	size_t len;
};

struct checking {
	struct lmdb_check *check;
	struct pages *pages;
	struct db_head heads[TABLE_COUNT];
	unsigned table; /* that is walked */
	uint64_t read;  /* bytes of input blocks */

	/* The value that is being put together. */
	bool has_value, in_order, unread;
	bool doubtful; /* it lies out of order: only a seal over its key says whose it is */
	struct lmdb_key key;
	unsigned segments;
	struct buf bytes;
	bool no_memory, stop;
};

static void trouble(void *arg, const char *text)
{
	struct checking *checking = arg;
	struct lmdb_check *check = checking->check;

	check->troubles++;
	if (check->trouble != NULL)
		check->trouble(check->arg, text);
}

/* ---- the tables there are ---- */

static bool visit_table(void *arg, const struct pages_node *node)
{
	struct checking *checking = arg;
	char text[128];

	for (unsigned table = 0; table < TABLE_COUNT; table++) {
		struct db_head *head = &checking->heads[table];

		if (strlen(lmdb_table_names[table]) != node->key_len ||
			memcmp(lmdb_table_names[table], node->key, node->key_len) != 0)
			continue;
		if (node->data == NULL || node->len > sizeof(head->bytes) || !node->is_table)
			break;
		head->found = true;
		head->len = node->len;
		memcpy(head->bytes, node->data, node->len);
		return true;
	}
	snprintf(text, sizeof(text), "the list of tables: '%.*s' is no table of leat's",
		(int)MIN(node->key_len, (size_t)32), (const char *)node->key);
	trouble(checking, text);
	return true;
}

/* ---- the table of the ledger's own ---- */

static void take_sealed(
	struct checking *checking, const char *name, const struct buf *bytes, uint64_t *ret)
{
	uint64_t found[2];
	char text[96];

	if (bytes->len == sizeof(found))
		memcpy(found, bytes->data, sizeof(found));
	if (bytes->len == sizeof(found) && lmdb_meta_seal(name, found[0]) == found[1]) {
		*ret = found[0];
	} else if (checking->check->format != 1) {
		snprintf(text, sizeof(text), "the ledger's own entry '%s' is damaged", name);
		trouble(checking, text);
	}
}

/* "flags", "format", "serial", in this order: the third looks otherwise in format 1. */
static bool visit_meta(void *arg, const struct pages_node *node)
{
	struct checking *checking = arg;
	struct lmdb_check *check = checking->check;
	uint64_t serial;

	check->values[TABLE_META]++;
	buf_clear(&checking->bytes);
	if (!pages_read(checking->pages, node, &checking->bytes)) {
		if (pages_no_memory(checking->pages))
			return false;
		trouble(checking, "an entry of the ledger's own cannot be read");
		return true;
	}
	if (node->key_len == 6 && memcmp(node->key, "format", 6) == 0 && node->len == 8)
		memcpy(&check->format, checking->bytes.data, sizeof(check->format));
	else if (node->key_len == 5 && memcmp(node->key, "flags", 5) == 0)
		take_sealed(checking, "flags", &checking->bytes, &check->flags);
	else if (node->key_len == 6 && memcmp(node->key, "serial", 6) == 0)
		take_sealed(checking, "serial", &checking->bytes, &serial);
	else
		trouble(checking, "there is an entry of the ledger's own that nobody knows");
	return true;
}

static int check_meta(
	struct checking *checking, const struct pages_node *head, struct error *err)
{
	struct lmdb_check *check = checking->check;

	if (pages_walk(checking->pages, "the table meta", head, visit_meta, checking, err) < 0)
		return -1;
	if (check->format > FORMAT_VERSION)
		return error_set(err, ERR_STORE,
			"it was written by a newer leat (format %llu, this one knows %d)",
			(unsigned long long)check->format, FORMAT_VERSION);
	if (check->format == 0 || check->values[TABLE_META] != (check->format == 1 ? 2 : 3))
		trouble(checking, "entries of the ledger's own are missing");
	if (check->format == 1)
		check->flags = FLAG_UNSEALED | FLAG_UPGRADING;
	return 0;
}

/* ---- values ---- */

static bool is_bulk(unsigned table)
{
	return table == TABLE_INPUT || table == TABLE_RESULTS || table == TABLE_FAILURES;
}

/* One that format 1 wrote and whose table is not sealed yet. */
static bool is_old(const struct checking *checking)
{
	return checking->check->flags & FLAG_UPGRADING && !is_bulk(checking->table);
}

static bool unseal(const struct checking *checking, const struct lmdb_key *key, size_t *ret_len)
{
	bool old_too = checking->check->flags & FLAG_UNSEALED && !checking->doubtful;

	if (lmdb_unseal(checking->table, key, checking->bytes.data, checking->bytes.len,
		    old_too, ret_len))
		return true;
	*ret_len = checking->bytes.len;
	return is_old(checking) && !checking->doubtful;
}

/* Does the value fit where one bit of its key is another? Then that is its key. */
static bool find_key(const struct checking *checking, struct lmdb_key *ret, size_t *ret_len)
{
	if (checking->check->flags & (FLAG_UPGRADING | FLAG_UNSEALED))
		return false; /* there a key says nothing */
	for (unsigned bit = 0; bit < KEY_VALUE_SIZE * 8; bit++) {
		*ret = checking->key;
		((uint8_t *)ret)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		if (lmdb_unseal(checking->table, ret, checking->bytes.data, checking->bytes.len,
			    false, ret_len))
			return true;
	}
	return false;
}

static void tell_misplaced(struct checking *checking)
{
	char what[DAMAGE_TEXT_SIZE], text[DAMAGE_TEXT_SIZE + 64];
	struct lmdb_damage damage = { .table = checking->table,
		.number = be64_get(checking->key.number) };

	memcpy(damage.job.bytes, checking->key.job, ID_BYTES);
	lmdb_format_damage(&damage, what, sizeof(what));
	snprintf(text, sizeof(text), "%s lies under a key that is not its own", what);
	trouble(checking, text);
}

static void hand_on(struct checking *checking, const struct lmdb_key *key, size_t len)
{
	struct lmdb_check *check = checking->check;
	struct lmdb_key first = *key;

	memset(first.segment, 0, sizeof(first.segment));
	check->values[checking->table]++;
	check->bytes[checking->table] += len;
	if (check->value != NULL &&
		!check->value(check->arg, checking->table, &first, checking->bytes.data, len))
		checking->stop = true;
}

static void say_damaged(struct checking *checking)
{
	struct lmdb_check *check = checking->check;
	struct lmdb_damage damage = { .table = checking->table,
		.number = be64_get(checking->key.number) };

	memcpy(damage.job.bytes, checking->key.job, ID_BYTES);
	check->damaged++;
	if (check->damage != NULL)
		check->damage(check->arg, &damage);
}

/* The last segment has come. */
static void finish_value(struct checking *checking)
{
	struct lmdb_key right;
	size_t len;

	if (!checking->has_value)
		return;
	checking->has_value = false;
	if (checking->unread) {
		checking->check->values[checking->table]++;
		return;
	}
	if (unseal(checking, &checking->key, &len)) {
		if (!checking->in_order)
			tell_misplaced(checking);
		hand_on(checking, &checking->key, len);
	} else if (find_key(checking, &right, &len)) {
		tell_misplaced(checking);
		hand_on(checking, &right, len);
	} else {
		say_damaged(checking);
	}
}

static void begin_value(struct checking *checking, const struct lmdb_key *key)
{
	finish_value(checking);
	checking->has_value = checking->in_order = true;
	checking->unread = checking->doubtful = false;
	checking->segments = 0;
	checking->key = *key;
	buf_clear(&checking->bytes);
}

/* Not what is long, where only a look was asked for. */
static bool is_worth_reading(struct checking *checking, const struct pages_node *node)
{
	if (checking->check->deep || node->data != NULL || !is_bulk(checking->table))
		return true;
	if (checking->table != TABLE_INPUT || checking->read > QUICK_MAX)
		return false;
	checking->read += node->len;
	return true;
}

static bool visit_value(void *arg, const struct pages_node *node)
{
	struct checking *checking = arg;
	struct lmdb_key key;
	char text[96];
	size_t before;

	if (node->key_len != KEY_SIZE || node->is_table) {
		snprintf(text, sizeof(text), "the table %s: a key is damaged",
			lmdb_table_names[checking->table]);
		trouble(checking, text);
		return true;
	}
	memcpy(&key, node->key, sizeof(key));
	if (!checking->has_value || memcmp(&key, &checking->key, KEY_VALUE_SIZE) != 0)
		begin_value(checking, &key);
	if ((unsigned)key.segment[0] << 8 | key.segment[1])
		checking->in_order = checking->in_order && checking->segments > 0;
	if (((unsigned)key.segment[0] << 8 | key.segment[1]) != checking->segments++)
		checking->in_order = false;
	checking->doubtful = checking->doubtful || !node->in_order;
	before = checking->bytes.len;
	if (checking->unread || !is_worth_reading(checking, node))
		checking->unread = true;
	else if (!pages_read(checking->pages, node, &checking->bytes))
		checking->bytes.len = before; /* then its seal is wrong */
	return !checking->stop && !pages_no_memory(checking->pages);
}

/* ---- all of it ---- */

static int check_table(struct checking *checking, unsigned table, struct error *err)
{
	struct db_head *head = &checking->heads[table];
	struct pages_node node = { .data = head->bytes, .len = head->len, .is_table = true };
	unsigned before = checking->check->troubles;
	char name[32];
	int result;

	snprintf(name, sizeof(name), "the table %s", lmdb_table_names[table]);
	if (!head->found) {
		char text[64];

		snprintf(text, sizeof(text), "%s is missing", name);
		trouble(checking, text);
		checking->check->torn[table] = true;
		return 0;
	}
	if (table == TABLE_META)
		return check_meta(checking, &node, err);
	checking->table = table;
	result = pages_walk(checking->pages, name, &node, visit_value, checking, err);
	if (result == 0)
		finish_value(checking);
	checking->check->torn[table] = checking->check->troubles != before;
	return result;
}

static int check_all(struct checking *checking, struct error *err)
{
	bool any = false;

	if (pages_tables(checking->pages, visit_table, checking, err) < 0)
		return -1;
	for (unsigned table = 0; table < TABLE_COUNT; table++)
		any = any || checking->heads[table].found;
	if (!any && pages_txn(checking->pages) == 0)
		return 0; /* nothing was ever written */
	for (unsigned table = 0; table < TABLE_COUNT && !checking->stop; table++)
		if (check_table(checking, table, err) < 0)
			return -1;
	return checking->stop ? 0 : pages_free_list(checking->pages, err);
}

int lmdb_check(const char *path, struct lmdb_check *check, struct error *err)
{
	struct checking checking = { .check = check };
	int result;

	if (pages_open(path, check->deep, trouble, &checking, &checking.pages, err) < 0)
		return -1;
	check->file_bytes = pages_file_bytes(checking.pages);
	check->transaction = pages_txn(checking.pages);
	result = check_all(&checking, err);
	buf_done(&checking.bytes);
	check->read_error = pages_read_error(checking.pages);
	pages_close(checking.pages);
	return result;
}
