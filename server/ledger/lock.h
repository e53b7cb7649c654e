/*
 * lock: readers and one writer who does not wait for ever, for new readers let him pass.
 *
 * The price: whoever reads must not begin to read again before he has ended.
 */
#ifndef LEAT_LEDGER_LOCK_H
#define LEAT_LEDGER_LOCK_H

#include <pthread.h>

static inline void ledger_lock_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

#endif
