/* Reading and writing that may block, and its end by a stop. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/pool_io.h"

struct bench {
	uv_loop_t loop;
	struct pool_stop stop;
	struct pool_io io;
	int ends[2]; /* of a pipe */
	ssize_t result;
	unsigned calls;
};

static void on_done(void *arg, ssize_t result)
{
	struct bench *bench = arg;

	bench->result = result;
	bench->calls++;
}

static void bench_init(struct bench *bench, unsigned end)
{
	memset(bench, 0, sizeof(*bench));
	signal(SIGPIPE, SIG_IGN);
	cr_assert(uv_loop_init(&bench->loop) == 0);
	cr_assert(pool_stop_init(&bench->stop, NULL) == 0);
	cr_assert(pipe(bench->ends) == 0);
	bench->io = (struct pool_io){ .loop = &bench->loop,
		.stop = &bench->stop,
		.fd = bench->ends[end],
		.arg = bench,
		.done = on_done };
}

static void bench_done(struct bench *bench)
{
	pool_stop_done(&bench->stop);
	close(bench->ends[0]);
	close(bench->ends[1]);
	cr_assert(uv_loop_close(&bench->loop) == 0);
}

Test(pool_io, reads_what_is_there, .timeout = 10)
{
	char text[100] = "";
	struct bench bench;

	bench_init(&bench, 0);
	cr_assert(write(bench.ends[1], "hello", 5) == 5);
	pool_io_read(&bench.io, text, sizeof(text), -1);
	cr_assert(eq(uint, bench.calls, 0));
	uv_run(&bench.loop, UV_RUN_DEFAULT);
	cr_assert(eq(int, (int)bench.result, 5));
	cr_assert(eq(str, text, (char *)"hello"));
	bench_done(&bench);
}

Test(pool_io, says_again_when_nothing_came_within_the_patience, .timeout = 10)
{
	struct bench bench;
	char byte;

	bench_init(&bench, 0);
	pool_io_read(&bench.io, &byte, 1, 1);
	uv_run(&bench.loop, UV_RUN_DEFAULT);
	cr_assert(eq(int, (int)bench.result, -EAGAIN));
	bench_done(&bench);
}

Test(pool_io, reads_nothing_at_the_end, .timeout = 10)
{
	struct bench bench;
	char byte;

	bench_init(&bench, 0);
	close(bench.ends[1]);
	bench.ends[1] = dup(bench.ends[0]); /* something for bench_done() to close */
	pool_io_read(&bench.io, &byte, 1, -1);
	uv_run(&bench.loop, UV_RUN_DEFAULT);
	cr_assert(eq(int, (int)bench.result, 0));
	cr_assert(eq(uint, bench.calls, 1));
	bench_done(&bench);
}

Test(pool_io, a_read_that_waits_for_ever_ends_by_a_stop, .timeout = 10)
{
	struct bench bench;
	char byte;

	bench_init(&bench, 0);
	pool_io_read(&bench.io, &byte, 1, -1);
	pool_stop_now(&bench.stop);
	uv_run(&bench.loop, UV_RUN_DEFAULT);
	cr_assert(eq(int, (int)bench.result, -ECANCELED));
	bench_done(&bench);
}

Test(pool_io, a_write_to_a_full_pipe_ends_by_a_stop, .timeout = 10)
{
	static char much[1 << 20];
	struct iovec part = { much, sizeof(much) };
	struct bench bench;

	bench_init(&bench, 1);
	pool_io_write(&bench.io, &part, 1);
	pool_stop_now(&bench.stop);
	uv_run(&bench.loop, UV_RUN_DEFAULT);
	cr_assert(eq(int, (int)bench.result, -ECANCELED));
	bench_done(&bench);
}

Test(pool_io, writes_all_parts_in_order, .timeout = 10)
{
	static char a[3000], b[5000], got[8000];
	struct iovec parts[] = { { a, sizeof(a) }, { got, 0 }, { b, sizeof(b) } };
	struct bench bench;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	bench_init(&bench, 1);
	pool_io_write(&bench.io, parts, 3);
	uv_run(&bench.loop, UV_RUN_DEFAULT);
	cr_assert(eq(int, (int)bench.result, 8000));
	cr_assert(read(bench.ends[0], got, sizeof(got)) == 8000);
	cr_assert(memcmp(got, a, sizeof(a)) == 0);
	cr_assert(memcmp(got + sizeof(a), b, sizeof(b)) == 0);
	bench_done(&bench);
}

Test(pool_io, a_write_that_nobody_reads_is_a_broken_pipe, .timeout = 10)
{
	char byte = 'x';
	struct iovec part = { &byte, 1 };
	struct bench bench;

	bench_init(&bench, 1);
	close(bench.ends[0]);
	bench.ends[0] = dup(bench.ends[1]);
	pool_io_write(&bench.io, &part, 1);
	uv_run(&bench.loop, UV_RUN_DEFAULT);
	cr_assert(eq(int, (int)bench.result, -EPIPE));
	bench_done(&bench);
}
