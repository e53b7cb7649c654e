#include "http/limbs.h"

#include <gmp.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/reserve.h"

static void *must(void *got)
{
	if (got != NULL)
		return got;
	log_error("no_memory", "hint=\"not even for the arithmetic of TLS: the process ends\"");
	abort();
}

static void *limbs_alloc(size_t size)
{
	return must(reserve_alloc(size));
}

static void *limbs_realloc(void *old, size_t old_size, size_t size)
{
	(void)old_size;
	return must(reserve_realloc(old, size));
}

static void limbs_free(void *ptr, size_t size)
{
	(void)size;
	reserve_free(ptr);
}

void limbs_init(void)
{
	mp_set_memory_functions(limbs_alloc, limbs_realloc, limbs_free);
}
