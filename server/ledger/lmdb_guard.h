/*
 * lmdb_guard: reading the map, where the disk may not give a page.
 *
 * LMDB reads its file through a memory map. A page that the disk cannot give, or that lies
 * behind the end of a file that somebody cut short, is no error of a read() but a SIGBUS
 * (mmap(2)), which ends a process that is not prepared. Here a read that meets one is left
 * on the spot and answers LMDB_UNREADABLE; everything else goes on, and the same read works
 * again when the disk does.
 *
 * What is read so must be able to be left anywhere: it takes no lock, and what it allocates
 * belongs to somebody who frees it all the same. LMDB's reading is such; its writing is not:
 * the commit thread dies of a SIGBUS, which is as good as `kill -9` (nothing that was
 * acknowledged is lost), and better than writing on with half a tree.
 *
 * Thread: any.
 */
#ifndef LEAT_LEDGER_LMDB_GUARD_H
#define LEAT_LEDGER_LMDB_GUARD_H

/* Beside LMDB's codes. */
#define LMDB_UNREADABLE (-30601)

/* Take the process's SIGBUS; those that meet nobody who is prepared go where they went before.
 * Once is enough, more does no harm. */
void lmdb_guard_init(void);

/* `read(arg)`, and what it returns; or LMDB_UNREADABLE, and it was left in the middle. */
int lmdb_guarded(int (*read)(void *arg), void *arg);

#endif
