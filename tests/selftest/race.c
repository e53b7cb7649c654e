/*
 * Two threads count without a lock where PLANTED is set. Each waits at a barrier first, so
 * that neither is over before the other begins; ThreadSanitizer needs no unlucky moment.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;
static bool locked;
static int count;

static void *add(void *arg)
{
	pthread_barrier_wait(&both);
	if (locked)
		pthread_mutex_lock(&lock);
	count++;
	if (locked)
		pthread_mutex_unlock(&lock);
	return arg;
}

int main(void)
{
	pthread_t other;

	locked = getenv("PLANTED") == NULL;
	pthread_barrier_init(&both, NULL, 2);
	if (pthread_create(&other, NULL, add, NULL) != 0)
		return 2;
	add(NULL);
	pthread_join(other, NULL);
	pthread_barrier_destroy(&both);
	return 0;
}
