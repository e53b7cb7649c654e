#include "http/assets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/negotiate.h"
#include "http/request.h"

#define TAG_SIZE 64

static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
			     "img-src 'self' data:; connect-src 'self'; font-src 'self'; "
			     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static int compare(const void *path, const void *asset)
{
	return strcmp(path, ((const struct asset *)asset)->path);
}

const struct asset *asset_find(const char *path)
{
	return bsearch(path, assets_table, assets_count, sizeof(assets_table[0]), compare);
}

/* A strong tag, so it is another one for each coding (RFC 9110, 8.8.3.3). */
static void write_tag(const struct asset *asset, bool gzip, char ret_tag[static TAG_SIZE])
{
	snprintf(ret_tag, TAG_SIZE, "\"%s%s\"", asset->tag, gzip ? "-gzip" : "");
}

static void set_headers(
	struct request *request, const struct asset *asset, bool gzip, const char *tag)
{
	request_set_header(request, "ETag", tag);
	request_set_header(request, "Cache-Control",
		asset->immutable ? "public, max-age=31536000, immutable" : "no-cache");
	if (asset->gzip.at != NULL)
		request_set_header(request, "Vary", "Accept-Encoding");
	if (gzip && request->status == 200)
		request_set_header(request, "Content-Encoding", "gzip");
	request_set_header(request, "Content-Security-Policy", policy);
	request_set_header(request, "Referrer-Policy", "no-referrer");
}

static void serve(struct request *request, const struct asset *asset)
{
	bool gzip = asset->gzip.at != NULL &&
		    coding_accepted(request_header(request, "Accept-Encoding"), "gzip");
	const struct asset_bytes *bytes = gzip ? &asset->gzip : &asset->plain;
	char tag[TAG_SIZE];

	write_tag(asset, gzip, tag);
	if (tag_listed(request_header(request, "If-None-Match"), tag))
		request_reply_empty(request, 304);
	else
		request_reply_constant(request, 200, asset->type, bytes->at, bytes->len);
	set_headers(request, asset, gzip, tag);
}

static void assets_finish(struct request *request)
{
	const struct asset *asset = asset_find(request->target);
	struct error err;

	if (asset != NULL) {
		serve(request, asset);
		return;
	}
	error_set(&err, ERR_NOT_FOUND,
		"there is no such file; a page of another version may have asked, so load it again");
	request_reply_problem(request, &err, NULL);
}

const struct endpoint assets_get = { .finish = assets_finish };
