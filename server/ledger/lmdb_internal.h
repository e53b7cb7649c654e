/*
 * lmdb_internal: what the files of the LMDB ledger share.
 *
 *	lmdb_folder.c   the data folder: whose is it, can it hold a memory map?
 *	lmdb_make.c     the data file of a new folder
 *	lmdb_env.c      the environment: open, close, tables, how much of the map is resident
 *	ledger_lmdb.c   transactions, and what became of a commit that failed; stat
 *	lmdb_write.c    lmdb_read.c
 *	lmdb_walk.c     one reading call's way through a table
 *	lmdb_guard.c    pages that the disk does not give, to who reads and to who writes
 *	lmdb_seal.c     the checksum of each value, and what was found damaged
 *	lmdb_upgrade.c  what an older format has to become
 *
 * Everything is a value under (table, job, number), where the number is a block's, a sequence
 * number, or which of the few things a job has one of. A value ends with its seal. One longer
 * than SEGMENT_SIZE lies in segments of that length; so every run of overflow pages is at most
 * 16 pages, and what one value leaves fits the next.
 *
 * The environment is closed and opened again when its fate is in doubt, or its map is spoilt:
 * readers hold `lock` shared, whoever opens it holds it alone.
 */
#ifndef LEAT_LEDGER_LMDB_INTERNAL_H
#define LEAT_LEDGER_LMDB_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "ledger/block.h"
#include "ledger/ledger.h"
#include "ledger/lmdb_guard.h"

/*
 *	1	values as they are
 *	2	values are sealed; input, results and failures of before may still not be
 */
#define FORMAT_VERSION 2

enum lmdb_table {
	TABLE_META,
	TABLE_JOBS,
	TABLE_INPUT,
	TABLE_DONE,
	TABLE_RESULTS,
	TABLE_FAILURES,
	TABLE_KEYS, /* the number is the hash of the key */
	TABLE_STATE,
	TABLE_COUNT
};

/* Numbers in TABLE_JOBS. */
enum { JOB_DEFINITION, JOB_RECORD };

/* An idempotency key's value. */
struct key_value {
	uint64_t lines;
	char text[];
};

struct lmdb_key { /* all big-endian, so that they sort */
	uint8_t job[ID_BYTES];
	uint8_t number[8];
	uint8_t segment[2];
};
#define KEY_SIZE       26
#define KEY_VALUE_SIZE 24 /* of the part that all segments of a value share */
#define SEGMENTS_MAX   UINT16_MAX
#define SEGMENT_SIZE   (BLOCK_SIZE_MAX + SEAL_SIZE)
#define SEAL_SIZE      8u

/* What the entry "flags" of the meta table says. */
enum {
	FLAG_UNSEALED = 1,  /* there are values of format 1 */
	FLAG_UPGRADING = 2, /* and small ones among them */
	FLAG_PARTIAL = 4,   /* it is being written by a repair or an import */
};

/* Where a damaged value is. */
struct lmdb_damage {
	unsigned table;
	struct id job;
	uint64_t number;
};
#define DAMAGE_TEXT_SIZE 128
#define DAMAGE_KNOWN_MAX 256u
/* Beside LMDB's codes: a value's seal is wrong. */
#define LMDB_DAMAGED (-30600)

struct lmdb_env {
	MDB_env *env; /* NULL when it could not be opened again */
	MDB_dbi tables[TABLE_COUNT];
	uint64_t flags;
	struct stat file;       /* which one data.mdb is */
	_Atomic size_t touched; /* bytes of the map since it was last let go of */
	int fd;                 /* LMDB's own, of the data file */
	void *map;              /* NULL when unknown */
	size_t map_size;
};

struct ledger_lmdb {
	struct ledger ledger;
	char *dir;
	int lock_fd;
	struct stat file; /* data.mdb as it was at the start */
	uint64_t max_bytes;
	pthread_rwlock_t lock;
	struct lmdb_env env;
	struct error closed; /* why it could not be opened again */
	struct lmdb_writing writing;
	pthread_mutex_t opened_lock;
	pthread_cond_t opened; /* the environment, again, or it could not be */
	uint64_t openings;     /* how often */

	/* The commit thread's own. */
	MDB_txn *txn;
	bool was_full;                       /* a transaction found no page */
	uint64_t written_bytes, freed_bytes; /* about: by this one, by the last one */
	uint64_t serial;                     /* of the last commit, or of the one in doubt */
	uint64_t begun;                      /* transactions */
	uint64_t doubt_bytes;                /* used_bytes once it is known to be there */
	int doubt_code;                      /* LMDB's word when it failed */

	_Atomic uint64_t used_bytes, commits;
	_Atomic bool writable;
	pthread_mutex_t stat_lock; /* of what follows */
	uint64_t stat_ms;
	uint64_t file_bytes, free_bytes;
	pthread_mutex_t damage_lock; /* of what follows */
	uint64_t damaged;            /* the first of them stand in `damage` */
	struct lmdb_damage damage[DAMAGE_KNOWN_MAX];
};

static inline struct ledger_lmdb *lmdb_of(struct ledger *ledger)
{
	return CONTAINER_OF(ledger, struct ledger_lmdb, ledger);
}

static inline unsigned lmdb_log_table(enum ledger_log log)
{
	return log == LEDGER_RESULTS ? TABLE_RESULTS : TABLE_FAILURES;
}

static inline uint64_t be64_get(const uint8_t from[static 8])
{
	uint64_t number;

	memcpy(&number, from, sizeof(number));
	return __builtin_bswap64(number);
}

static inline struct lmdb_key lmdb_key(const struct id *job, uint64_t number, unsigned segment)
{
	struct lmdb_key key = { .segment = { (uint8_t)(segment >> 8), (uint8_t)segment } };

	number = __builtin_bswap64(number);
	memcpy(key.job, job->bytes, sizeof(key.job));
	memcpy(key.number, &number, sizeof(key.number));
	return key;
}

/* A page of the map is a stand-in of lmdb_guard's. Thread: any that holds `lock`. */
static inline bool lmdb_is_spoilt(struct ledger_lmdb *lmdb)
{
	return atomic_load(&lmdb->writing.spoilt);
}

/* What LMDB returned, as an error in words; `what` was being done. */
int lmdb_error(struct ledger_lmdb *lmdb, int code, const char *what, struct error *err);

/* ---- ledger_lmdb.c ---- */

/*
 * Between a commit whose meta page could not be written and the opening that follows,
 * nothing can be read. Readers note the number of openings, and wait for the next one at
 * most until `until`; false when it did not come.
 */
uint64_t lmdb_openings(struct ledger_lmdb *lmdb);
bool lmdb_wait_for_opening(
	struct ledger_lmdb *lmdb, uint64_t openings, const struct timespec *until);

/* ---- lmdb_folder.c ---- */

/*
 * Make the folder if need be and take it for this process. Returns the file descriptor that
 * holds it, or -1: another process, a network file system, no rights.
 */
int lmdb_folder_take(const char *dir, struct error *err);

/* ---- lmdb_env.c ---- */

/* `ret_serial`: the number of the last commit in it. */
int lmdb_env_open(struct ledger_lmdb *lmdb, struct lmdb_env *ret, uint64_t *ret_serial,
	struct error *err);
void lmdb_env_close(struct lmdb_env *env);
int lmdb_env_put_serial(struct lmdb_env *env, MDB_txn *txn, uint64_t serial);
int lmdb_env_put_flags(struct lmdb_env *env, MDB_txn *txn, uint64_t flags);
/* An MDB code: MDB_PANIC when the environment must be opened again. */
int lmdb_env_get_serial(struct lmdb_env *env, uint64_t *ret_serial);
/* Bytes of pages that hold something. */
uint64_t lmdb_env_used(struct lmdb_env *env, MDB_txn *txn);
/*
 * `bytes` of the map were read: pages touched count as this process's resident memory, so
 * every now and then all of them are let go of (they stay in the system's cache).
 */
void lmdb_env_touched(struct lmdb_env *env, size_t bytes);

/* The names of the tables. */
extern const char *const lmdb_table_names[TABLE_COUNT];

/* ---- lmdb_seal.c; thread: any ---- */

/* The seal of an entry of the meta table. */
uint64_t lmdb_meta_seal(const char *name, uint64_t number);

/* The seal of a value; of its key the part that all segments share counts. */
uint64_t lmdb_seal(unsigned table, const void *value_key, const void *bytes, size_t len);
/*
 * How long is the value without its seal? False: it is damaged. `old_too`: one of format 1 may
 * stand there.
 */
bool lmdb_unseal(unsigned table, const void *value_key, const void *bytes, size_t len,
	bool old_too, size_t *ret_len);
/* "result block". */
const char *lmdb_table_thing(unsigned table);
/* "result block 17 of job j_…". */
void lmdb_format_damage(const struct lmdb_damage *damage, char *ret_text, size_t size);
/* Remember it and log it, once. */
void lmdb_note_damage(struct ledger_lmdb *lmdb, const struct lmdb_damage *damage);
/* How many values were found damaged. */
uint64_t lmdb_damaged(struct ledger_lmdb *lmdb);

/* ---- lmdb_make.c ---- */

/* Is there a data file with something in it? */
bool lmdb_is_made(const char *data_path);
/* Make the folder's data file, empty, unless there is one. 0, or an error of LMDB's or errno.
 */
int lmdb_make(const char *dir);
/* Names that were made or changed in it outlive a crash. 0, or errno. */
int lmdb_sync_folder(const char *dir);

/* ---- lmdb_upgrade.c ---- */

/* Seal what format 1 left without, as small transactions as it takes. An MDB code. */
int lmdb_upgrade(struct lmdb_env *env);

/* ---- lmdb_write.c: commit thread ---- */

/* Put a value with its seal into a transaction; an MDB code. */
int lmdb_put_sealed(struct lmdb_env *env, MDB_txn *txn, unsigned table,
	const struct lmdb_key *key, const void *bytes, size_t len);

int lmdb_put_job(struct ledger *ledger, const struct id *job, const void *definition,
	size_t definition_len, const void *record, size_t record_len, struct error *err);
int lmdb_put_input(struct ledger *ledger, const struct id *job, uint64_t block,
	const void *bytes, size_t len, struct error *err);
int lmdb_put_done(struct ledger *ledger, const struct id *job, uint64_t block,
	const void *bitmap, size_t len, struct error *err);
int lmdb_drop_input(
	struct ledger *ledger, const struct id *job, uint64_t block, struct error *err);
int lmdb_append(struct ledger *ledger, const struct id *job, enum ledger_log log, uint64_t seq,
	const void *bytes, size_t len, struct error *err);
int lmdb_drop_failure(
	struct ledger *ledger, const struct id *job, uint64_t seq, struct error *err);
int lmdb_trim_results(
	struct ledger *ledger, const struct id *job, uint64_t seq, struct error *err);
int lmdb_put_key(struct ledger *ledger, const struct id *job, const char *key, size_t len,
	uint64_t lines, struct error *err);
int lmdb_put_state(struct ledger *ledger, const struct id *job, const void *bytes, size_t len,
	struct error *err);
int lmdb_erase(struct ledger *ledger, const struct id *job, bool all, size_t budget,
	bool *ret_more, struct error *err);

/* ---- lmdb_read.c: any thread ---- */

int lmdb_each_job(struct ledger *ledger, const struct id *before, ledger_job_fn fn, void *arg,
	struct error *err);
int lmdb_get_job(struct ledger *ledger, const struct id *job, struct buf *definition,
	struct buf *record, struct error *err);
int lmdb_next_input(struct ledger *ledger, const struct id *job, uint64_t from,
	uint64_t *ret_block, struct buf *bytes, struct buf *bitmap, struct error *err);
int lmdb_input_range(struct ledger *ledger, const struct id *job, uint64_t *ret_first,
	uint64_t *ret_last, uint64_t *ret_bytes, struct error *err);
int lmdb_each_value(struct ledger *ledger, const struct id *job, enum ledger_log log,
	uint64_t seq, ledger_value_fn fn, void *arg, struct error *err);
int lmdb_each_key(struct ledger *ledger, const struct id *job, ledger_key_fn fn, void *arg,
	struct error *err);
int lmdb_get_state(
	struct ledger *ledger, const struct id *job, struct buf *bytes, struct error *err);

#endif
