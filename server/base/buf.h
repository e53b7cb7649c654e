/*
 * buf: bytes that grow. Fails by returning -1 when memory is short, and then has not changed.
 */
#ifndef LEAT_BASE_BUF_H
#define LEAT_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t len, capacity;
};

#define BUF_INIT           \
	{                  \
		NULL, 0, 0 \
	}

void buf_done(struct buf *buf);
/* Keep the memory, forget the content. */
static inline void buf_clear(struct buf *buf)
{
	buf->len = 0;
}
int buf_reserve(struct buf *buf, size_t more);
int buf_append(struct buf *buf, const void *bytes, size_t len);
int buf_append_str(struct buf *buf, const char *text);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Cut off the first `len` bytes. */
void buf_consume(struct buf *buf, size_t len);

#endif
