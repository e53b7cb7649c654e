/*
 * assets: the web pages, built into the program.
 *
 * tools/embed makes a table of files when the program is built; nothing is read from disk when
 * it runs. A page is checked again by the browser each time (ETag, 304), what lies under
 * /assets/ has a hash in its name and never changes. Files are kept gzipped and plain.
 *
 * The pages run nothing and fetch nothing that does not come from this server: the
 * Content-Security-Policy says so, with no exception for inline code or styles.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_ASSETS_H
#define LEAT_HTTP_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

struct asset_bytes {
	const char *at;
	size_t len;
};

struct asset {
	const char *path; /* as requested: "/", "/docs", "/assets/…" */
	const char *type;
	const char *tag;                /* of the contents */
	bool immutable;                 /* another content would have another path */
	struct asset_bytes plain, gzip; /* gzip.at NULL: it would not be smaller */
};

/* Sorted by path; made by tools/embed. */
extern const struct asset assets_table[];
extern const size_t assets_count;

/* NULL: there is none. */
const struct asset *asset_find(const char *path);

extern const struct endpoint assets_get;

#endif
