#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

void buf_done(struct buf *buf)
{
	mem_free(buf->data);
	*buf = (struct buf)BUF_INIT;
}

int buf_reserve(struct buf *buf, size_t more)
{
	size_t capacity = MAX(buf->capacity, (size_t)256);
	char *data;

	if (buf->capacity - buf->len >= more)
		return 0;
	while (capacity - buf->len < more)
		capacity += capacity / 2;
	data = mem_realloc(buf->data, capacity);
	if (data == NULL)
		return -1;
	buf->data = data;
	buf->capacity = capacity;
	return 0;
}

int buf_append(struct buf *buf, const void *bytes, size_t len)
{
	if (len == 0)
		return 0;
	if (buf_reserve(buf, len) < 0)
		return -1;
	memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	return 0;
}

int buf_append_str(struct buf *buf, const char *text)
{
	return buf_append(buf, text, strlen(text));
}

int buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args, again;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 || buf_reserve(buf, (size_t)len + 1) < 0) {
		va_end(again);
		return -1;
	}
	vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
	va_end(again);
	buf->len += (size_t)len;
	return 0;
}

void buf_consume(struct buf *buf, size_t len)
{
	buf->len -= len;
	memmove(buf->data, buf->data + len, buf->len);
}
