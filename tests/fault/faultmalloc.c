/*
 * faultmalloc: a shim for LD_PRELOAD that refuses memory to all of a process: to the program,
 * to the libraries that it is linked with, and to stages.
 *
 * It counts malloc, calloc, realloc and their kin and answers NULL and ENOMEM from the nth on,
 * `many` of them (0: all). Not what the dynamic linker asks for: a thread's own data is no
 * allocation that could be refused, glibc ends the process then. Nor what a library asks for
 * whose path holds LEAT_FAULTMALLOC_SPARE. LEAT_FAULTMALLOC_CONTROL names a file of at least
 * sizeof(struct control) that a test shares with it. Processes that this one starts are not
 * counted.
 */
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"

/* glibc's own, for those that take their place (malloc(3), "Replacing malloc"). */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* The same layout stands in faultmem.py. */
struct control {
	atomic_long count;
	atomic_long nth;  /* 0: none */
	atomic_long many; /* 0: all from there on */
	atomic_long failed;
};

static struct control own;
static struct control *control = &own;
static struct spared {
	const char *name;
	uintptr_t begin, end;
} spared[] = { { .name = "/ld-linux" }, { .name = NULL } };

static int note_spared(struct dl_phdr_info *object, size_t size, void *arg)
{
	struct spared *found = arg;

	(void)size;
	if (found->name == NULL || strstr(object->dlpi_name, found->name) == NULL)
		return 0;
	for (int at = 0; at < object->dlpi_phnum; at++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[at];

		if (part->p_type == PT_LOAD)
			found->end = object->dlpi_addr + part->p_vaddr + part->p_memsz;
	}
	found->begin = object->dlpi_addr;
	return 1;
}

static bool is_spared(const void *caller)
{
	for (size_t at = 0; at < sizeof(spared) / sizeof(spared[0]); at++)
		if ((uintptr_t)caller >= spared[at].begin && (uintptr_t)caller < spared[at].end)
			return true;
	return false;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("LEAT_FAULTMALLOC_CONTROL");

	spared[1].name = getenv("LEAT_FAULTMALLOC_SPARE");
	for (size_t at = 0; at < sizeof(spared) / sizeof(spared[0]); at++)
		dl_iterate_phdr(note_spared, &spared[at]);
	unsetenv("LD_PRELOAD");
	if (path != NULL)
		control = map_control(path, sizeof(*control));
}

static bool is_refused(const void *caller)
{
	long nth, now, many;

	if (is_spared(caller))
		return false;
	now = atomic_fetch_add(&control->count, 1) + 1;
	nth = atomic_load(&control->nth);
	many = atomic_load(&control->many);
	if (nth == 0 || now < nth || (many != 0 && now >= nth + many))
		return false;
	atomic_fetch_add(&control->failed, 1);
	errno = ENOMEM;
	return true;
}

#define SHIM    __attribute__((visibility("default")))
#define REFUSED is_refused(__builtin_return_address(0))

SHIM void *malloc(size_t size)
{
	return REFUSED ? NULL : __libc_malloc(size);
}

SHIM void *calloc(size_t count, size_t size)
{
	return REFUSED ? NULL : __libc_calloc(count, size);
}

SHIM void *realloc(void *old, size_t size)
{
	return REFUSED ? NULL : __libc_realloc(old, size);
}

SHIM void *reallocarray(void *old, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return REFUSED ? NULL : __libc_realloc(old, bytes);
}

SHIM void *memalign(size_t alignment, size_t size)
{
	return REFUSED ? NULL : __libc_memalign(alignment, size);
}

SHIM void *aligned_alloc(size_t alignment, size_t size)
{
	return REFUSED ? NULL : __libc_memalign(alignment, size);
}

SHIM int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *got = REFUSED ? NULL : __libc_memalign(alignment, size);

	if (got == NULL)
		return ENOMEM;
	*ret = got;
	return 0;
}
