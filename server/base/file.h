/*
 * file: small files, read whole and replaced whole.
 *
 * Thread: any; it blocks.
 */
#ifndef LEAT_BASE_FILE_H
#define LEAT_BASE_FILE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/* Append what it holds to `to`. Errors: ERR_NOT_FOUND (there is none), ERR_BAD_REQUEST (it
 * cannot be read, or has more than `max` bytes), ERR_NO_MEMORY; each names the path. */
int file_read(const char *path, size_t max, struct buf *to, struct error *err);
/*
 * Put these bytes there: at every moment, also after a loss of power, the file is the old one
 * or the new one. A link stays, what it points to is replaced; an old file's owner, group and
 * mode stay, a new one has `mode` and, if root makes it, the owner of its folder.
 * ERR_BAD_REQUEST.
 */
int file_replace(
	const char *path, const void *bytes, size_t len, unsigned mode, struct error *err);

/* Alone until the descriptor is closed, among those who change this file so. ERR_BAD_REQUEST.
 */
int file_lock(const char *path, int *ret_fd, struct error *err);

#endif
