/*
 * lmdb_seal: the checksum behind every stored value.
 *
 * It is seeded with the table and the key, so that a value that lies under another key than
 * the one it was written under is damaged, too. Folders of format 1 had none; there input
 * blocks, results and failures are believed where their own checksums are right.
 */
#include <assert.h>
#include <stdio.h>
#include <xxhash.h>

#include "base/log.h"
#include "ledger/lmdb_internal.h"

static_assert(SEAL_SIZE == sizeof(uint64_t), "on disk");

uint64_t lmdb_seal(unsigned table, const void *value_key, const void *bytes, size_t len)
{
	uint8_t where[KEY_VALUE_SIZE + 1];

	memcpy(where, value_key, KEY_VALUE_SIZE);
	where[KEY_VALUE_SIZE] = (uint8_t)table;
	return XXH3_64bits_withSeed(bytes, len, XXH3_64bits(where, sizeof(where)));
}

uint64_t lmdb_meta_seal(const char *name, uint64_t number)
{
	char where[KEY_VALUE_SIZE] = "";

	memcpy(where, name, strnlen(name, sizeof(where)));
	return lmdb_seal(TABLE_META, where, &number, sizeof(number));
}

static bool is_sealed(unsigned table, const void *value_key, const void *bytes, size_t len)
{
	uint64_t seal;

	if (len < SEAL_SIZE)
		return false;
	memcpy(&seal, (const char *)bytes + len - SEAL_SIZE, SEAL_SIZE);
	return seal == lmdb_seal(table, value_key, bytes, len - SEAL_SIZE);
}

/* By the checksum that the value of a bulk table has of its own. */
static bool is_whole_without(unsigned table, const void *bytes, size_t len)
{
	struct failure_view failure;
	struct result_view result;
	struct block_head head;

	switch (table) {
	case TABLE_INPUT:
		return block_check(bytes, len, &head, NULL) == 0;
	case TABLE_RESULTS:
		return result_view(bytes, len, &result, NULL) == 0;
	case TABLE_FAILURES:
		return failure_view(bytes, len, &failure, NULL) == 0;
	default:
		return false;
	}
}

bool lmdb_unseal(unsigned table, const void *value_key, const void *bytes, size_t len,
	bool old_too, size_t *ret_len)
{
	if (is_sealed(table, value_key, bytes, len)) {
		*ret_len = len - SEAL_SIZE;
		return true;
	}
	if (!old_too || !is_whole_without(table, bytes, len))
		return false;
	*ret_len = len;
	return true;
}

/* ---- what was found damaged ---- */

const char *lmdb_table_thing(unsigned table)
{
	static const char *const things[TABLE_COUNT] = {
		[TABLE_META] = "entry of the ledger's own",
		[TABLE_JOBS] = "record",
		[TABLE_INPUT] = "input block",
		[TABLE_DONE] = "list of finished items of input block",
		[TABLE_RESULTS] = "result block",
		[TABLE_FAILURES] = "failure",
		[TABLE_KEYS] = "idempotency key",
		[TABLE_STATE] = "state of source and sink",
	};

	return table < TABLE_COUNT ? things[table] : "value";
}

void lmdb_format_damage(const struct lmdb_damage *damage, char *ret_text, size_t size)
{
	char id[ID_TEXT_SIZE];

	id_format(&damage->job, id);
	if (damage->table == TABLE_JOBS)
		snprintf(ret_text, size, "the %s of job %s",
			damage->number == JOB_DEFINITION ? "definition" : "record", id);
	else if (damage->table == TABLE_STATE)
		snprintf(ret_text, size, "the state of source and sink of job %s", id);
	else
		snprintf(ret_text, size, "%s %llu of job %s", lmdb_table_thing(damage->table),
			(unsigned long long)damage->number, id);
}

static bool is_known(const struct ledger_lmdb *lmdb, const struct lmdb_damage *damage)
{
	for (unsigned at = 0; at < MIN(lmdb->damaged, DAMAGE_KNOWN_MAX); at++)
		if (lmdb->damage[at].table == damage->table &&
			lmdb->damage[at].number == damage->number &&
			id_equal(&lmdb->damage[at].job, &damage->job))
			return true;
	return false;
}

void lmdb_note_damage(struct ledger_lmdb *lmdb, const struct lmdb_damage *damage)
{
	char text[DAMAGE_TEXT_SIZE], id[ID_TEXT_SIZE];
	bool is_new;

	if (lmdb_is_spoilt(lmdb)) /* it may be a stand-in that was looked at */
		return;
	pthread_mutex_lock(&lmdb->damage_lock);
	is_new = !is_known(lmdb, damage);
	if (is_new) {
		if (lmdb->damaged < DAMAGE_KNOWN_MAX)
			lmdb->damage[lmdb->damaged] = *damage;
		lmdb->damaged++;
	}
	pthread_mutex_unlock(&lmdb->damage_lock);
	if (!is_new)
		return;
	lmdb_format_damage(damage, text, sizeof(text));
	id_format(&damage->job, id);
	log_error("store_damaged",
		"job=%s what=\"%s\" hint=\"leat fsck lists all that is damaged\"", id, text);
}

uint64_t lmdb_damaged(struct ledger_lmdb *lmdb)
{
	uint64_t damaged;

	pthread_mutex_lock(&lmdb->damage_lock);
	damaged = lmdb->damaged;
	pthread_mutex_unlock(&lmdb->damage_lock);
	return damaged;
}
