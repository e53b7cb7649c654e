#include "base/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The first bytes of a file of /proc as text. */
static void read_text(const char *path, char *ret, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, ret, size - 1);

	ret[len < 0 ? 0 : len] = '\0';
	if (fd >= 0)
		close(fd);
}

/* When the system booted, in seconds since 1970. A sandbox may hide /proc/stat, not clocks. */
static double boot_seconds(void)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) * 1e-9;
}

/* The numbers behind the program's name, which may hold anything; see proc(5). */
static void read_stat(struct process_stat *ret)
{
	enum { UTIME = 14, STIME = 15, THREADS = 20, START = 22, VSIZE = 23, RSS = 24 };
	double ticks = (double)sysconf(_SC_CLK_TCK);
	unsigned long long field[RSS + 1] = { 0 };
	char text[2048], *at;

	read_text("/proc/self/stat", text, sizeof(text));
	at = strrchr(text, ')');
	if (at == NULL || at[1] == '\0' || at[2] == '\0')
		return;
	at += 3; /* behind the state, field 3 */
	for (unsigned n = 4; n <= RSS; n++)
		field[n] = strtoull(at, &at, 10);
	ret->cpu_seconds = (double)(field[UTIME] + field[STIME]) / ticks;
	ret->threads = field[THREADS];
	ret->virtual_bytes = field[VSIZE];
	ret->resident_bytes = field[RSS] * (unsigned long long)sysconf(_SC_PAGESIZE);
	ret->start_seconds = boot_seconds() + (double)field[START] / ticks;
}

/* Newer kernels say how many there are; older ones must be counted. */
static uint64_t count_fds(void)
{
	struct stat info;
	uint64_t count = 0;
	DIR *dir;

	if (stat("/proc/self/fd", &info) == 0 && info.st_size > 0)
		return (uint64_t)info.st_size;
	dir = opendir("/proc/self/fd");
	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

void process_stat(struct process_stat *ret)
{
	struct rlimit limit;

	*ret = (struct process_stat){ 0 };
	read_stat(ret);
	ret->open_fds = count_fds();
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		ret->max_fds = limit.rlim_cur;
}
