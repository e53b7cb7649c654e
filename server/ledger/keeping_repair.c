/*
 * Repair: every value that can be read goes into a new ledger in a folder of its own inside
 * the data folder, what belongs to no job is left out, jobs that lost something say so in
 * their record; then the new file takes the old one's place.
 *
 * Only the newest state that the file has is read: pages that no tree leads to may hold what
 * was deleted long ago.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "job/record.h"
#include "ledger/keeping_internal.h"

#define FRESH       "repair.part"
#define ROUND_BYTES (4u << 20)
#define KEEP_MS     (7ull * 24 * 3600 * 1000) /* results of a job that ends by this */

struct repair {
	struct examine examine;
	struct ledger *fresh;
	size_t written; /* in the open transaction */
	uint64_t now_ms;
	int failed;
	struct error why;
};

static int begin(struct repair *repair)
{
	repair->written = 0;
	return repair->fresh->ops->begin(repair->fresh, &repair->why);
}

static int next_round(struct repair *repair, size_t more)
{
	repair->written += more;
	if (repair->written < ROUND_BYTES)
		return 0;
	if (repair->fresh->ops->commit(repair->fresh, &repair->why) != 0)
		return -1;
	return begin(repair);
}

static bool save_value(
	void *arg, unsigned table, const struct lmdb_key *key, const void *bytes, size_t len)
{
	struct repair *repair = CONTAINER_OF((struct examine *)arg, struct repair, examine);
	struct ledger_lmdb *lmdb = lmdb_of(repair->fresh);
	struct id job;
	int code;

	memcpy(job.bytes, key->job, ID_BYTES);
	if (audit_value(repair->examine.audit, table, key, bytes, len) < 0) {
		repair->failed = error_no_memory(&repair->why);
		return false;
	}
	if (table != TABLE_JOBS && !audit_has_job(repair->examine.audit, &job))
		return true;
	code = lmdb_put_sealed(&lmdb->env, lmdb->txn, table, key, bytes, len);
	if (code != 0)
		repair->failed = lmdb_error(lmdb, code, "writing", &repair->why);
	else
		repair->failed = next_round(repair, len + 64);
	return repair->failed == 0;
}

/* ---- jobs that have lost something ---- */

static char *problem(const char *what)
{
	static const char text[] =
		"{\"type\":\"/problems/%s\",\"title\":\"%s\",\"detail\":\"" AUDIT_KNOWN
		": %s\"}";
	const struct error_info *info = error_info(ERR_STORE);
	size_t size = sizeof(text) + strlen(info->slug) + strlen(info->title) + strlen(what);
	char *made = mem_alloc(size);

	if (made != NULL) /* the texts are ours: nothing to escape */
		snprintf(made, size, text, info->slug, info->title, what);
	return made;
}

static void end_with(struct job_record *record, char *why, uint64_t now_ms)
{
	mem_free(record->error);
	record->error = why;
	record->version++;
	if (job_state_is_done((enum job_state)record->state))
		return;
	record->state = JOB_FAILED;
	record->input_closed = 1;
	record->finished_ms = now_ms;
	record->expires_ms = now_ms + KEEP_MS;
	record->cancelled += record->received - job_record_finished(record);
}

static int mark(struct repair *repair, const struct id *id, const char *what)
{
	struct ledger *fresh = repair->fresh;
	struct buf definition = BUF_INIT, bytes = BUF_INIT;
	struct job_record record;
	struct error *err = &repair->why;
	char *why;
	int result = fresh->ops->get_job(fresh, id, &definition, &bytes, err);

	if (result == 0)
		result = job_record_decode(bytes.data, bytes.len, &record, err);
	if (result == 0) {
		why = problem(what);
		buf_clear(&bytes);
		if (why != NULL)
			end_with(&record, why, repair->now_ms);
		if (why == NULL || job_record_encode(&record, &bytes) < 0)
			result = error_no_memory(err);
		else
			result = fresh->ops->put_job(
				fresh, id, NULL, 0, bytes.data, bytes.len, err);
		job_record_done(&record);
	}
	buf_done(&definition);
	buf_done(&bytes);
	return result;
}

/* One without record or definition is nothing that could be shown. */
static int leave_out(struct repair *repair, const struct id *id)
{
	bool more = true;
	int result = 0;

	while (more && result == 0)
		result = repair->fresh->ops->erase(
			repair->fresh, id, true, ROUND_BYTES, &more, &repair->why);
	return result;
}

static void mend(void *arg, enum finding finding, const struct id *job, const char *text)
{
	struct repair *repair = arg;

	(void)finding;
	if (repair->failed)
		return;
	repair->failed = audit_has_job(repair->examine.audit, job) ? mark(repair, job, text)
								   : leave_out(repair, job);
	if (repair->failed == 0)
		repair->failed = next_round(repair, 4096);
}

/* ---- the new file ---- */

static void remove_fresh(const char *fresh)
{
	static const char *const names[] = { "data.mdb", "lock.mdb", "leat.lock" };
	char path[PATH_SIZE + 16];

	for (size_t at = 0; at < ARRAY_SIZE(names); at++) {
		snprintf(path, sizeof(path), "%s/%s", fresh, names[at]);
		unlink(path);
	}
	rmdir(fresh);
}

/* Nobody opens it before it is whole. */
static int put_partial(struct repair *repair, bool partial)
{
	struct ledger_lmdb *lmdb = lmdb_of(repair->fresh);
	int code = lmdb_env_put_flags(&lmdb->env, lmdb->txn, partial ? FLAG_PARTIAL : 0);

	return code == 0 ? 0 : lmdb_error(lmdb, code, "writing", &repair->why);
}

static int salvage(struct repair *repair, const char *path)
{
	if (begin(repair) < 0 || put_partial(repair, true) < 0)
		return -1;
	if (repair->fresh->ops->commit(repair->fresh, &repair->why) != 0 || begin(repair) < 0)
		return -1;
	repair->examine.check.value = save_value;
	if (examine(path, &repair->examine, &repair->why) < 0 || repair->failed)
		return -1;
	/* Readers see what is committed. */
	if (repair->fresh->ops->commit(repair->fresh, &repair->why) != 0 || begin(repair) < 0)
		return -1;
	audit_end(repair->examine.audit, repair->examine.check.torn, mend, repair);
	if (repair->failed || put_partial(repair, false) < 0)
		return -1;
	return repair->fresh->ops->commit(repair->fresh, &repair->why) == 0 ? 0 : -1;
}

/*
 * The old file gets a second name, then the new one takes the first: at no moment is there
 * none.
 */
static int exchange(const char *dir, const char *fresh, char ret_aside[static ASIDE_SIZE],
	uint64_t now_ms, struct error *err)
{
	char data[PATH_SIZE], aside[PATH_SIZE], made[PATH_SIZE];
	char name[ASIDE_SIZE];

	snprintf(name, sizeof(name), "damaged-%llu.mdb", (unsigned long long)now_ms);
	if (keeping_path(dir, "data.mdb", data, err) < 0 ||
		keeping_path(dir, name, aside, err) < 0 ||
		keeping_path(fresh, "data.mdb", made, err) < 0 || keeping_sync(made, err) < 0)
		return -1;
	if (link(data, aside) != 0)
		return error_set(err, ERR_STORE,
			"the damaged file cannot be put aside as %s: %s", aside,
			strerror(errno));
	if (rename(made, data) != 0)
		return error_set(err, ERR_STORE, "%s: %s", data, strerror(errno));
	memcpy(ret_aside, name, sizeof(name));
	return keeping_sync(dir, err);
}

static int repair_into(struct repair *repair, const char *path, const char *fresh)
{
	struct ledger_lmdb_config config = { .dir = fresh, .max_bytes = UINT64_C(1) << 42 };
	int result;

	remove_fresh(fresh);
	if (ledger_lmdb_open(&config, &repair->fresh, &repair->why) < 0)
		return -1;
	result = salvage(repair, path);
	ledger_close(TAKE(repair->fresh));
	return result;
}

static int repair_locked(const char *dir, keeping_tell tell, void *arg,
	struct keeping_sums *ret, char ret_aside[static ASIDE_SIZE], struct error *err)
{
	struct repair repair = { .examine = { .tell = tell, .arg = arg },
		.now_ms = (uint64_t)time(NULL) * 1000 };
	char path[PATH_SIZE], fresh[PATH_SIZE];
	int result;

	if (keeping_path(dir, "data.mdb", path, err) < 0 ||
		keeping_path(dir, FRESH, fresh, err) < 0)
		return -1;
	result = repair_into(&repair, path, fresh);
	if (result < 0)
		*err = repair.why;
	else
		*ret = repair.examine.sums;
	if (result == 0 && ret->troubles + ret->damaged + ret->losses > 0)
		result = exchange(dir, fresh, ret_aside, repair.now_ms, err);
	audit_free(repair.examine.audit);
	remove_fresh(fresh);
	return result;
}

int keeping_repair(const char *dir, keeping_tell tell, void *arg, struct keeping_sums *ret,
	char ret_aside[static ASIDE_SIZE], struct error *err)
{
	int fd = keeping_take(dir, err), result;

	if (fd < 0)
		return -1;
	ret_aside[0] = '\0';
	result = repair_locked(dir, tell, arg, ret, ret_aside, err);
	close(fd);
	return result;
}
