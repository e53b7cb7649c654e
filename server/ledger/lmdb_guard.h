/*
 * lmdb_guard: the map, where the disk may not give a page of it.
 *
 * LMDB reads its file through a memory map. A page that the disk cannot give, or that lies
 * behind the end of a file that somebody cut short, is no error of a read() but a SIGBUS
 * (mmap(2)), which ends a process that is not prepared.
 *
 * Reading is left on the spot and answers LMDB_UNREADABLE; everything else goes on, and the
 * same read works again when the disk does. What is read so must be able to be left anywhere:
 * it takes no lock, and what it allocates belongs to somebody who frees it all the same.
 *
 * LMDB's writing is not such: it holds a lock, and its lists lead into its stack. So it goes
 * on, with a page of ours in the place of the missing one. That one is neither branch nor leaf
 * and holds a single node that fits nowhere, which makes an error of nearly all that LMDB does
 * with a page; and whether it does or not, nothing can be committed any more, for the
 * descriptor that it writes and syncs with leads nowhere from then on. What remains is to
 * abort, and to open the environment again, which has the pages of the file in their places.
 *
 * Thread: any.
 */
#ifndef LEAT_LEDGER_LMDB_GUARD_H
#define LEAT_LEDGER_LMDB_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Beside LMDB's codes. */
#define LMDB_UNREADABLE (-30601)

/* Take the process's SIGBUS; those that meet nobody who is prepared go where they went before.
 * Once is enough, more does no harm. */
void lmdb_guard_init(void);

/* `read(arg)`, and what it returns; or LMDB_UNREADABLE, and it was left in the middle. */
int lmdb_guarded(int (*read)(void *arg), void *arg);

struct lmdb_writing {
	const void *map; /* NULL: unknown, and who writes is not prepared */
	size_t map_size;
	int fd;              /* with which LMDB writes its data */
	_Atomic bool spoilt; /* a page in the map is ours: believe nothing, open it again */
};

/* What this thread reads of `writing`'s map outside lmdb_guarded() is to go on; until NULL. */
void lmdb_guard_writing(struct lmdb_writing *writing);

#endif
