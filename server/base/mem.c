#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/fault.h"

void *mem_alloc(size_t size)
{
	return fault_hit(FAULT_ALLOC) ? NULL : malloc(size);
}

void *mem_zalloc(size_t size)
{
	return fault_hit(FAULT_ALLOC) ? NULL : calloc(1, size);
}

void *mem_realloc(void *old, size_t size)
{
	return fault_hit(FAULT_ALLOC) ? NULL : realloc(old, size);
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

void mem_use_for_jansson(void)
{
	json_set_alloc_funcs(mem_alloc, mem_free);
}

void mem_cleanup_(void *ptr)
{
	free(*(void **)ptr);
}
