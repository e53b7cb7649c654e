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

/* malloc/free shaped entry points for libraries that take an allocator (jansson). */
void mem_use_for_jansson(void);

void mem_cleanup_(void *ptr);

/* `_auto_free_ char *text = …;` frees at the end of the scope; TAKE() hands it over. */
#define _auto_free_ __attribute__((cleanup(mem_cleanup_)))
#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define TAKE(ptr)                                                                                  \
	({                                                                                         \
		__typeof__(ptr) take_ = (ptr);                                                     \
		(ptr) = NULL;                                                                      \
		take_;                                                                             \
	})

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#undef MIN
#undef MAX
#define MIN(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) min_a_ = (a);                                                        \
		__typeof__(b) min_b_ = (b);                                                        \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                 \
	})
#define MAX(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) max_a_ = (a);                                                        \
		__typeof__(b) max_b_ = (b);                                                        \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                 \
	})

#endif
