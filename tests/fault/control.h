/*
 * control: what a test steers a shim by, a file's memory that both have; and what shims of
 * files share.
 */
#ifndef FAULT_CONTROL_H
#define FAULT_CONTROL_H

#include <fcntl.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A test that set it up wrong must not run as if nothing were to happen: it ends the process.
 */
static inline void *map_control(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *shared = MAP_FAILED;

	if (fd >= 0)
		shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		perror(path);
		abort();
	}
	close(fd);
	return shared;
}

/* Is it a file whose path ends so? */
static inline bool is_named(int fd, const char *end)
{
	size_t end_len = strlen(end);
	char link[64], path[4096];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path));
	return len >= (ssize_t)end_len && memcmp(path + len - end_len, end, end_len) == 0;
}

#endif
