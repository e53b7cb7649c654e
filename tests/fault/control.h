/*
 * control: what a test steers a shim by, a file's memory that both have.
 */
#ifndef FAULT_CONTROL_H
#define FAULT_CONTROL_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

#endif
