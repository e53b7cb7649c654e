#include "engine/slab.h"

#include <pthread.h>

#include "base/mem.h"

/* What an input block needs, so that uploads and outputs share one pool. */
#define COMMON_SIZE BLOCK_SIZE_MAX
#define POOL_MAX    64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slab *pool;
static unsigned pooled;
static _Atomic uint64_t living;

static struct slab *pool_take(void)
{
	struct slab *slab;

	pthread_mutex_lock(&lock);
	slab = pool;
	if (slab != NULL) {
		pool = slab->next;
		pooled--;
	}
	pthread_mutex_unlock(&lock);
	return slab;
}

static int pool_put(struct slab *slab)
{
	int kept = 0;

	pthread_mutex_lock(&lock);
	if (pooled < POOL_MAX) {
		slab->next = pool;
		pool = slab;
		pooled++;
		kept = 1;
	}
	pthread_mutex_unlock(&lock);
	return kept;
}

struct slab *slab_new(size_t size)
{
	struct slab *slab = NULL;

	/* Small ones are made to measure: a job with one item shall not cost 64 KiB. */
	if (size > COMMON_SIZE / 4 && size <= COMMON_SIZE) {
		size = COMMON_SIZE;
		slab = pool_take();
	}
	if (slab == NULL) {
		if (size > UINT32_MAX - sizeof(*slab))
			return NULL;
		slab = mem_alloc(sizeof(*slab) + size);
		if (slab == NULL)
			return NULL;
		slab->size = (uint32_t)size;
		atomic_fetch_add_explicit(&living, size, memory_order_relaxed);
	}
	atomic_store_explicit(&slab->refs, 1, memory_order_relaxed);
	return slab;
}

static void slab_free(struct slab *slab)
{
	atomic_fetch_sub_explicit(&living, slab->size, memory_order_relaxed);
	mem_free(slab);
}

void slab_unref_n(struct slab *slab, uint32_t n)
{
	if (atomic_fetch_sub_explicit(&slab->refs, n, memory_order_acq_rel) != n)
		return;
	if (slab->size != COMMON_SIZE || !pool_put(slab))
		slab_free(slab);
}

void slab_pool_trim(void)
{
	struct slab *slab;

	while ((slab = pool_take()) != NULL)
		slab_free(slab);
}

uint64_t slab_bytes(void)
{
	return atomic_load_explicit(&living, memory_order_relaxed);
}
