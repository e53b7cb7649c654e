/* process: what the system says of us, against what we know of ourselves. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/process.h"

#define SIZE ((size_t)64 << 20)

static struct process_stat before, after;

Test(process, memory_that_is_touched_is_resident)
{
	char *memory =
		mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(memory, MAP_FAILED);
	process_stat(&before);
	memset(memory, 1, SIZE);
	process_stat(&after);
	cr_expect_geq(after.resident_bytes, before.resident_bytes + SIZE / 2);
	cr_expect_geq(after.virtual_bytes, after.resident_bytes / 2);
	munmap(memory, SIZE);
}

Test(process, descriptors_are_counted)
{
	struct rlimit limit;
	int fds[10];

	process_stat(&before);
	for (int at = 0; at < 10; at++)
		fds[at] = open("/dev/null", O_RDONLY);
	process_stat(&after);
	cr_expect_eq(after.open_fds, before.open_fds + 10);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_expect_eq(after.max_fds, limit.rlim_cur);
	for (int at = 0; at < 10; at++)
		close(fds[at]);
}

Test(process, it_began_a_moment_ago_and_has_threads)
{
	double now = (double)time(NULL);

	process_stat(&after);
	cr_expect_geq(after.threads, 1);
	cr_expect_leq(after.start_seconds, now + 2);
	cr_expect_geq(after.start_seconds, now - 3600, "%f, now %f", after.start_seconds, now);
}

Test(process, work_takes_time_of_the_processor)
{
	volatile uint64_t sum = 0;

	process_stat(&before);
	do {
		for (unsigned at = 0; at < 10000000; at++)
			sum += at;
		process_stat(&after);
	} while (after.cpu_seconds < before.cpu_seconds + 0.01);
	cr_expect_gt(after.cpu_seconds, before.cpu_seconds);
}
