/*
 * pool: libuv's pool of threads, made before anything needs it.
 *
 * libuv makes it when the first work is queued, and aborts the process where the system refuses
 * one of its threads. That could be in the middle of a day. So it is made at the start, where
 * nothing is under way, and where that abort is turned into words and exit code 1.
 *
 * Thread: any, before others are started.
 */
#ifndef LEAT_ENGINE_POOL_H
#define LEAT_ENGINE_POOL_H

#include "base/error.h"

/* Once for the process; again does nothing. ERR_NO_MEMORY. */
int pool_start(struct error *err);

#endif
