/*
 * The commit thread, two that submit and two that read, over both ledgers; for LMDB with
 * commits that fail now and then, so that it is opened again under the readers.
 *
 * Every reader must see every log without a gap, at any time; all that was submitted must be
 * there at the end.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/role.h"
#include "fault_io.h"
#include "ledger/block.h"
#include "ledger/committer.h"

enum { WRITERS = 2, READERS = 2, EACH = 400, FAULT_EVERY = 3 };

#define MUST(condition)                                                                 \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

struct race {
	struct ledger *ledger;
	struct committer *committer;
	struct id jobs[WRITERS];
	bool faulty;
	int done;         /* the loop's own */
	int transactions; /* the commit thread's own */
	_Atomic bool over;
	_Atomic unsigned long reads;
};

struct append_op {
	struct commit_op op;
	struct race *race;
	int writer;
	uint64_t seq;
};

struct writer {
	struct race *race;
	int number;
	struct append_op ops[EACH];
};

static int apply(struct commit_op *op, struct ledger *ledger, struct error *err)
{
	struct append_op *self = CONTAINER_OF(op, struct append_op, op);
	struct race *race = self->race;
	struct {
		struct result_head head;
		char body[5000];
	} block = { .head = { .version = BLOCK_VERSION, .count = 1 } };

	memcpy(block.body, &self->seq, sizeof(self->seq));
	memset(block.body + 8, 'x', sizeof(block.body) - 8);
	block.head.checksum = block_checksum(block.body, sizeof(block.body));
	return ledger->ops->append(ledger, &race->jobs[self->writer], LEDGER_RESULTS, self->seq,
		&block, sizeof(block), err);
}

static void done(struct commit_op *op, const struct error *err)
{
	struct append_op *self = CONTAINER_OF(op, struct append_op, op);

	assert_on(ROLE_LOOP);
	MUST(err == NULL);
	self->race->done++;
}

static int before_commit(void *arg, struct ledger *ledger, struct error *err)
{
	struct race *race = arg;

	if (race->faulty && ++race->transactions % FAULT_EVERY == 0)
		faults = (struct faults){ .armed = true,
			.first = 1 + race->transactions / FAULT_EVERY % 4,
			.count = 1,
			.code = EIO };
	return 0;
}

static void disarm(void *arg)
{
	faults.armed = false;
}

static void *write_on(void *arg)
{
	struct writer *writer = arg;

	for (uint64_t seq = 0; seq < EACH; seq++) {
		struct append_op *op = &writer->ops[seq];

		*op = (struct append_op){ { .apply = apply,
						  .done = done,
						  .bytes = COMMITTER_BATCH_BYTES / 40,
						  .must = true },
			writer->race, writer->number, seq };
		committer_submit(writer->race->committer, &op->op);
	}
	return NULL;
}

static bool in_order(void *arg, uint64_t seq, const void *bytes, size_t len)
{
	uint64_t *expected = arg;
	struct result_view view;

	MUST(seq == *expected);
	MUST(result_view(bytes, len, &view, NULL) == 0);
	MUST(result_view_item(&view, 0) == seq);
	++*expected;
	return true;
}

static uint64_t read_log(struct race *race, int writer, uint64_t at_least)
{
	uint64_t count = 0;
	struct error err;

	MUST(race->ledger->ops->each_value(race->ledger, &race->jobs[writer], LEDGER_RESULTS, 0,
		     in_order, &count, &err) == 0);
	MUST(count >= at_least);
	return count;
}

static void *read_on(void *arg)
{
	struct race *race = arg;
	uint64_t seen[WRITERS] = { 0 };
	struct ledger_stat stat;
	uint64_t p50, p99;

	role_enter(ROLE_READER);
	while (!race->over) {
		for (int writer = 0; writer < WRITERS; writer++)
			seen[writer] = read_log(race, writer, seen[writer]);
		race->ledger->ops->stat(race->ledger, &stat);
		committer_latency(race->committer, &p50, &p99);
		committer_is_healthy(race->committer, NULL);
		committer_wake(race->committer);
		race->reads++;
	}
	return NULL;
}

static void run(struct race *race)
{
	static struct writer writers[WRITERS];
	struct committer_hooks hooks = { .arg = race,
		.before_commit = before_commit,
		.on_commit = disarm,
		.on_abort = disarm };
	pthread_t threads[WRITERS + READERS];
	uv_loop_t loop;

	for (int at = 0; at < WRITERS; at++)
		race->jobs[at] = id_new();
	uv_loop_init(&loop);
	MUST(committer_start(race->ledger, &loop, &hooks, &race->committer, NULL) == 0);
	for (int at = 0; at < WRITERS; at++) {
		writers[at].race = race;
		writers[at].number = at;
		MUST(pthread_create(&threads[at], NULL, write_on, &writers[at]) == 0);
	}
	for (int at = 0; at < READERS; at++)
		MUST(pthread_create(&threads[WRITERS + at], NULL, read_on, race) == 0);
	while (race->done < WRITERS * EACH)
		uv_run(&loop, UV_RUN_ONCE);
	race->over = true;
	for (int at = 0; at < WRITERS + READERS; at++)
		pthread_join(threads[at], NULL);
	committer_stop(race->committer);
	uv_run(&loop, UV_RUN_DEFAULT);
	MUST(uv_loop_close(&loop) == 0);
	for (int at = 0; at < WRITERS; at++)
		MUST(read_log(race, at, 0) == EACH);
	ledger_close(race->ledger);
}

static void race_memory(void)
{
	struct race race = { 0 };

	MUST(ledger_memory_open(&race.ledger, NULL) == 0);
	run(&race);
}

static void race_lmdb(void)
{
	const char *tmp = getenv("TMPDIR"), *files[] = { "data.mdb", "lock.mdb", "leat.lock" };
	struct ledger_lmdb_config config = { .max_bytes = 256 << 20 };
	struct race race = { .faulty = true };
	char dir[256], path[300];

	snprintf(dir, sizeof(dir), "%s/leat-race-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	MUST(mkdtemp(dir) != NULL);
	config.dir = dir;
	MUST(ledger_lmdb_open(&config, &race.ledger, NULL) == 0);
	run(&race);
	for (size_t at = 0; at < ARRAY_SIZE(files); at++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[at]);
		unlink(path);
	}
	rmdir(dir);
}

int main(void)
{
	log_set_level(LOG_OFF);
	role_enter(ROLE_LOOP);
	race_memory();
	race_lmdb();
	return 0;
}
