#include "ledger/keeping_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int keeping_path(
	const char *dir, const char *name, char ret[static PATH_SIZE], struct error *err)
{
	if ((size_t)snprintf(ret, PATH_SIZE, "%s/%s", dir, name) >= PATH_SIZE)
		return error_set(err, ERR_STORE, "the folder's name is too long: %.100s…", dir);
	return 0;
}

static int must_be_ledger(const char *dir, struct error *err)
{
	char path[PATH_SIZE];
	struct stat file;

	if (keeping_path(dir, "data.mdb", path, err) < 0)
		return -1;
	if (stat(path, &file) == 0)
		return 0;
	return error_set(
		err, ERR_STORE, "there is no ledger in %s: %s: %s", dir, path, strerror(errno));
}

int keeping_look(const char *dir, struct error *err)
{
	char path[PATH_SIZE];
	int fd;

	if (must_be_ledger(dir, err) < 0 || keeping_path(dir, "leat.lock", path, err) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -2;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return fd;
	close(fd);
	return error_set(err, ERR_STORE,
		"the data folder %s is in use by a leat: stop that one, or look at a copy (leat "
		"backup)",
		dir);
}

int keeping_take(const char *dir, struct error *err)
{
	return must_be_ledger(dir, err) < 0 ? -1 : lmdb_folder_take(dir, err);
}

int keeping_sync(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), code = 0;

	if (fd < 0 || fsync(fd) != 0)
		code = errno;
	if (fd >= 0)
		close(fd);
	if (code == 0)
		return 0;
	return error_set(err, code == ENOSPC ? ERR_DISK_FULL : ERR_STORE, "%s: %s", path,
		strerror(code));
}

/* ---- check ---- */

static void on_trouble(void *arg, const char *text)
{
	struct examine *examine = arg;

	if (examine->tell != NULL)
		examine->tell(examine->arg, FINDING_TROUBLE, NULL, text);
}

static void on_damage(void *arg, const struct lmdb_damage *damage)
{
	struct examine *examine = arg;
	char text[DAMAGE_TEXT_SIZE];

	lmdb_format_damage(damage, text, sizeof(text));
	audit_lost(examine->audit, &damage->job);
	if (examine->tell != NULL)
		examine->tell(examine->arg, FINDING_DAMAGE, &damage->job, text);
}

static bool on_value(
	void *arg, unsigned table, const struct lmdb_key *key, const void *bytes, size_t len)
{
	struct examine *examine = arg;

	examine->no_memory = audit_value(examine->audit, table, key, bytes, len) < 0;
	return !examine->no_memory;
}

static void on_loss(void *arg, enum finding finding, const struct id *job, const char *text)
{
	struct examine *examine = arg;

	examine->sums.losses++;
	if (examine->tell != NULL)
		examine->tell(examine->arg, finding, job, text);
}

static void add_up(struct examine *examine)
{
	const struct lmdb_check *check = &examine->check;
	struct keeping_sums *sums = &examine->sums;

	sums->format = check->format;
	sums->file_bytes = check->file_bytes;
	sums->jobs = check->values[TABLE_JOBS] / 2;
	sums->inputs = check->values[TABLE_INPUT];
	sums->results = check->values[TABLE_RESULTS];
	sums->failures = check->values[TABLE_FAILURES];
	sums->keys = check->values[TABLE_KEYS];
	sums->troubles = check->troubles;
	sums->damaged = check->damaged;
}

int examine(const char *path, struct examine *examine, struct error *err)
{
	int result;

	if (audit_new(&examine->audit, err) < 0)
		return -1;
	examine->check.deep = true;
	examine->check.trouble = on_trouble;
	examine->check.damage = on_damage;
	if (examine->check.value == NULL)
		examine->check.value = on_value;
	examine->check.arg = examine;
	result = lmdb_check(path, &examine->check, err);
	if (result == 0 && examine->no_memory)
		result = error_no_memory(err);
	if (result == 0) {
		add_up(examine);
		audit_end(examine->audit, examine->check.torn, on_loss, examine);
	}
	return result;
}

int keeping_check(const char *dir, keeping_tell tell, void *arg, struct keeping_sums *ret,
	struct error *err)
{
	struct examine examined = { .tell = tell, .arg = arg };
	char path[PATH_SIZE];
	int fd = keeping_look(dir, err), result;

	if (fd == -1)
		return -1;
	result = keeping_path(dir, "data.mdb", path, err);
	if (result == 0)
		result = examine(path, &examined, err);
	audit_free(examined.audit);
	if (fd >= 0)
		close(fd);
	if (result == 0)
		*ret = examined.sums;
	return result;
}
