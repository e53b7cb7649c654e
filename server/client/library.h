/*
 * library: libcurl, made ready for a process.
 *
 * It gets its memory from base/reserve.h, for where there is none it may divide by the size of
 * a table that it could not make (7.88). Whoever comes first says so for all, stages that call
 * others by HTTP among them.
 *
 * Thread: main, before others use it.
 */
#ifndef LEAT_CLIENT_LIBRARY_H
#define LEAT_CLIENT_LIBRARY_H

#include "base/error.h"

/* ERR_NO_MEMORY. More than once does no harm. */
int library_init(struct error *err);

#endif
