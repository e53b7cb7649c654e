/*
 * mem: allocation that can fail, cleanup that cannot be forgotten.
 *
 * Every allocation of the server goes through here, so that a build with fault counters can
 * make the n-th one fail (base/fault.h). All functions return NULL when memory is short and
 * the caller turns that into an error; nothing here ends the process.
 *
 * Thread: any.
 */
#ifndef LEAT_BASE_MEM_H
#define LEAT_BASE_MEM_H

#include <stddef.h>
#include <string.h>
#include <sys/param.h> /* its MIN and MAX, before ours replace them */

void *mem_alloc(size_t size) __attribute__((malloc));
void *mem_zalloc(size_t size) __attribute__((malloc));
void *mem_realloc(void *old, size_t size);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len);
void mem_free(void *ptr);
/* At least so many bytes may be used of what was allocated. */
size_t mem_size(void *ptr);

/*
 * How many allocations of this thread have failed so far. Libraries report a failed
 * allocation as whatever they were doing (jansson as a syntax error): who asks before and
 * after knows better.
 */
unsigned mem_failures(void);

/* Set malloc up for what this program does; call first of all. */
void mem_tune(void);

/* Give back to the system what is free: for when there is nothing to do. */
void mem_trim(void);
/* Bytes that malloc has given out, to whomever; 0 where it does not tell. */
size_t mem_in_use(void);

/* malloc/free shaped entry points for libraries that take an allocator (jansson). */
void mem_use_for_jansson(void);

void mem_cleanup_(void *ptr);

/* `_auto_free_ char *text = …;` frees at the end of the scope; TAKE() hands it over. */
#define _auto_free_   __attribute__((cleanup(mem_cleanup_)))
#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define TAKE(ptr)                              \
	({                                     \
		__typeof__(ptr) take_ = (ptr); \
		(ptr) = NULL;                  \
		take_;                         \
	})

#define ARRAY_SIZE(array)               (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#undef MIN
#undef MAX
/* Each argument is evaluated once; the counter lets them be nested. */
#define MIN(a, b)          PICK_(a, b, <, __COUNTER__)
#define MAX(a, b)          PICK_(a, b, >, __COUNTER__)
#define PICK_(a, b, op, n) PICK__(a, b, op, n)
#define PICK__(a, b, op, n)                                         \
	({                                                          \
		__typeof__(a) pick_a_##n = (a);                     \
		__typeof__(b) pick_b_##n = (b);                     \
		pick_a_##n op pick_b_##n ? pick_a_##n : pick_b_##n; \
	})

#endif
