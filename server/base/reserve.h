/*
 * reserve: memory for libraries that do not survive being refused.
 *
 * GMP, under TLS, ends the process where malloc() gives it nothing; libcurl divides by the size
 * of a table that it could not make; libuv ends it where its table of descriptors cannot grow.
 * They allocate here. As long as malloc() gives, it is malloc(); where it does not, there are
 * RESERVE_BLOCKS blocks of the program's own, which nobody touches before they are needed. They
 * are for a moment of want: with all of them in use, or for more than a block's bytes, the
 * answer is NULL here too.
 *
 * Owner: the caller, by reserve_free(), which also takes what came from malloc(). Thread: any.
 */
#ifndef LEAT_BASE_RESERVE_H
#define LEAT_BASE_RESERVE_H

#include <stddef.h>

#define RESERVE_BLOCK  8192u
#define RESERVE_BLOCKS 128u

void *reserve_alloc(size_t size);
void *reserve_zalloc(size_t count, size_t size);
void *reserve_realloc(void *old, size_t size);
char *reserve_strdup(const char *text);
void reserve_free(void *ptr);

#endif
