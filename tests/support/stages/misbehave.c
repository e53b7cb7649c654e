/*
 * misbehave: does what the item says, {"do":"segv"}, and passes every other item on. For tests
 * of isolated stages: nothing of this may reach the server or another item.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stage.h"

#define LEAK_BYTES ((size_t)1 << 20)

struct misbehave {
	const char *open, *close;
	int64_t ms;
};

static const struct stage_param misbehave_params[] = {
	{ "open", STAGE_STRING, .choices = "well|fail|segv|exit|loop|hasty", .def = "well",
		.doc = "what happens when it is opened",
		.offset = offsetof(struct misbehave, open) },
	{ "close", STAGE_STRING, .choices = "well|segv|loop", .def = "well",
		.doc = "what happens when it is closed",
		.offset = offsetof(struct misbehave, close) },
	{ "ms", STAGE_INT, .doc = "how long each item takes",
		.offset = offsetof(struct misbehave, ms) },
	{ 0 },
};

static void segv(struct stage_ctx *ctx)
{
	int *volatile nowhere = (int *)(uintptr_t)64;

	*nowhere = 1;
}

static void call_abort(struct stage_ctx *ctx)
{
	abort();
}

/* Not a tail call, and each round needs its memory. */
static int deeper(volatile char *above)
{
	volatile char here[4096];

	here[0] = above[0];
	return here[0] == 0 ? 0 : deeper(here) + here[0];
}

static void overflow(struct stage_ctx *ctx)
{
	volatile char first = 1;

	deeper(&first);
}

static void end_itself(struct stage_ctx *ctx)
{
	exit(3);
}

static void kill_itself(struct stage_ctx *ctx)
{
	raise(SIGKILL);
}

static void loop(struct stage_ctx *ctx)
{
	for (volatile int forever = 1; forever;)
		;
}

/* Until the deadline, as a stage should. */
static void patient(struct stage_ctx *ctx)
{
	while (!stage_cancelled(ctx))
		usleep(1000);
}

/* All there is, and then fall over for want of it. */
static void hog(struct stage_ctx *ctx)
{
	for (;;) {
		char *more = malloc(LEAK_BYTES);

		if (more == NULL)
			abort();
		memset(more, 1, LEAK_BYTES);
	}
}

/* A little on every item. */
static void leak(struct stage_ctx *ctx)
{
	char *lost = malloc(LEAK_BYTES);

	if (lost == NULL)
		stage_fail(ctx, STAGE_PERMANENT, "out of memory");
	else
		memset(lost, 1, LEAK_BYTES);
	/* cppcheck-suppress memleak ; it is what this is for */
}

static void divide(struct stage_ctx *ctx)
{
	raise(SIGFPE);
}

/* Over the results of the items before, which lie in front of where it may write. */
static void scribble(struct stage_ctx *ctx)
{
	char *at = stage_reserve(ctx, 16);

	for (size_t back = 1; at != NULL && back < 200000; back++)
		at[-(ptrdiff_t)back] = (char)(back * 7);
}

/* The same all over the memory that it may write, the counters of the batch too. */
static void scribble_all(struct stage_ctx *ctx)
{
	char line[400];
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	char rights[8];

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "leat-report") != NULL &&
			sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 &&
			rights[1] == 'w')
			memset((void *)from, 0xa5, 1 << 20);
	if (maps != NULL)
		fclose(maps);
}

/* Another kind of nonsense each time. */
static void noise(struct stage_ctx *ctx)
{
	char line[400];
	FILE *maps = fopen("/proc/self/maps", "r");
	FILE *random = fopen("/dev/urandom", "r");
	unsigned long from, to;

	while (maps != NULL && random != NULL && fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "leat-report") != NULL && strstr(line, "rw-s") != NULL &&
			sscanf(line, "%lx-%lx", &from, &to) == 2 &&
			fread((void *)(from + (size_t)stage_item_number(ctx) % 64), 1, 300000,
				random) == 0)
			break;
	if (maps != NULL)
		fclose(maps);
	if (random != NULL)
		fclose(random);
}

static void scribble_input(struct stage_ctx *ctx)
{
	char *input = (char *)(uintptr_t)stage_input(ctx, NULL);

	input[0] = '!';
}

static void not_json(struct stage_ctx *ctx)
{
	stage_emit(ctx, "{\"a\":", 5);
}

/* It sends what only the host may say, and closes everything. */
static void hang_up(struct stage_ctx *ctx)
{
	for (int fd = 3; fd < 64; fd++)
		close(fd);
}

static void lie(struct stage_ctx *ctx)
{
	for (int fd = 3; fd < 16; fd++)
		send(fd, "D", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void chatter(struct stage_ctx *ctx)
{
	for (int i = 0; i < 10000; i++)
		stage_log(ctx, "line %d with a \"quote\" and a \n line end", i);
}

static void count(struct stage_ctx *ctx)
{
	stage_count(stage_meter(ctx), "counted", 3);
}

/* More names than there is room for, and some that are none. */
static void count_all(struct stage_ctx *ctx)
{
	static const char *const none[] = { "", "A", "a b", "a\"b", "a\n",
		"thisnameisonecharactertoolongforit" };
	char name[20];

	for (unsigned n = 0; n < 100; n++) {
		snprintf(name, sizeof(name), "name_%u", n);
		stage_count(stage_meter(ctx), name, 1);
	}
	for (unsigned n = 0; n < sizeof(none) / sizeof(none[0]); n++)
		stage_count(stage_meter(ctx), none[n], 1);
	stage_count(NULL, "nowhere", 1);
}

/* What the filter of system calls refuses; without one in the kernel it simply works. */
static void start_program(struct stage_ctx *ctx)
{
	if (system("exit 7") == 7 << 8)
		stage_fail(ctx, STAGE_PERMANENT, "a program was started");
}

static void fail_it(struct stage_ctx *ctx)
{
	stage_fail(ctx, STAGE_PERMANENT, "told to fail, \xff\x01 and not in UTF-8");
}

static const struct deed {
	const char *name;
	void (*act)(struct stage_ctx *ctx);
} deeds[] = {
	{ "segv", segv },
	{ "abort", call_abort },
	{ "overflow", overflow },
	{ "exit", end_itself },
	{ "kill", kill_itself },
	{ "loop", loop },
	{ "patient", patient },
	{ "hog", hog },
	{ "leak", leak },
	{ "fpe", divide },
	{ "scribble", scribble },
	{ "scribble_all", scribble_all },
	{ "noise", noise },
	{ "scribble_input", scribble_input },
	{ "not_json", not_json },
	{ "hang_up", hang_up },
	{ "lie", lie },
	{ "chatter", chatter },
	{ "count", count },
	{ "count_all", count_all },
	{ "program", start_program },
	{ "fail", fail_it },
};

static const struct deed *find_deed(const char *input)
{
	char member[40];

	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		snprintf(member, sizeof(member), "\"do\":\"%s\"", deeds[i].name);
		if (strstr(input, member) != NULL)
			return &deeds[i];
	}
	return NULL;
}

static enum stage_result misbehave_open(void *instance, struct stage_ctx *ctx)
{
	const struct misbehave *misbehave = instance;

	if (strcmp(misbehave->open, "fail") == 0)
		return stage_fail(ctx, STAGE_PERMANENT, "/open: told to fail");
	if (strcmp(misbehave->open, "segv") == 0)
		segv(ctx);
	if (strcmp(misbehave->open, "exit") == 0)
		end_itself(ctx);
	if (strcmp(misbehave->open, "loop") == 0)
		loop(ctx);
	return STAGE_OK;
}

/* It says itself that it is open, and more than it was asked. */
static enum stage_result misbehave_worker_open(void *instance, struct stage_ctx *ctx)
{
	const struct misbehave *misbehave = instance;

	if (strcmp(misbehave->open, "hasty") == 0) {
		send(3, "O", 1, MSG_NOSIGNAL);
		send(3, "D", 1, MSG_NOSIGNAL);
	}
	return STAGE_OK;
}

static void misbehave_close(void *instance, struct stage_ctx *ctx)
{
	const struct misbehave *misbehave = instance;

	if (strcmp(misbehave->close, "segv") == 0)
		segv(ctx);
	if (strcmp(misbehave->close, "loop") == 0)
		loop(ctx);
}

static enum stage_result misbehave_run(void *instance, struct stage_ctx *ctx)
{
	const struct misbehave *misbehave = instance;
	size_t len;
	const char *input = stage_input(ctx, &len);
	const struct deed *deed = find_deed(input);

	usleep((useconds_t)misbehave->ms * 1000);
	if (deed == NULL)
		return stage_emit(ctx, input, len);
	deed->act(ctx);
	return stage_emit_input(ctx);
}

STAGE(.name = "misbehave", .version = "1.0.0", .summary = "Do what no stage should",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct misbehave),
	.params = misbehave_params, .open = misbehave_open,
	.worker_open = misbehave_worker_open, .close = misbehave_close, .run = misbehave_run);
