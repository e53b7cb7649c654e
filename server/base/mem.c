#include "base/mem.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/fault.h"

static _Thread_local unsigned failures;

static void *counted(void *got)
{
	if (got == NULL)
		failures++;
	return got;
}

void *mem_alloc(size_t size)
{
	return counted(fault_hit(FAULT_ALLOC) ? NULL : malloc(size));
}

void *mem_zalloc(size_t size)
{
	return counted(fault_hit(FAULT_ALLOC) ? NULL : calloc(1, size));
}

void *mem_realloc(void *old, size_t size)
{
	return counted(fault_hit(FAULT_ALLOC) ? NULL : realloc(old, size));
}

unsigned mem_failures(void)
{
	return failures;
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t len)
{
	char *copy = mem_alloc(len + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void mem_free(void *ptr)
{
	free(ptr);
}

size_t mem_size(void *ptr)
{
	return malloc_usable_size(ptr);
}

void mem_tune(void)
{
	/* A commit takes and gives back some megabytes in blocks of 64 KiB: with glibc's bounds
	 * each of them would be unmapped and faulted in again, which cost 9 % of all CPU time.
	 */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
	mallopt(M_ARENA_MAX, 4);
}

size_t mem_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

void mem_trim(void)
{
	malloc_trim(0);
}

void mem_use_for_jansson(void)
{
	json_set_alloc_funcs(mem_alloc, mem_free);
}

void mem_cleanup_(void *ptr)
{
	free(*(void **)ptr);
}
