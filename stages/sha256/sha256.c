/*
 * sha256: adds the SHA-256 of a string field to the item.
 *
 * The item's bytes stay as they are: the digest is put in front of the closing brace, or in
 * the place of the member that has its name already. nettle uses the processor's SHA
 * instructions where there are some.
 */
#include <nettle/sha2.h>

#include "stage.h"
#include "stage_slice.h"
#include "stage_write.h"

#define HEX_LEN (2 * SHA256_DIGEST_SIZE)

struct sha256 {
	const char *field, *into;
	struct stage_path path;
	struct stage_token into_token;
	char *member; /* "into":" as it is put into the item */
	size_t member_len;
};

static const struct stage_param sha256_params[] = {
	{ "field", STAGE_POINTER, .required = 1, .doc = "where the string to hash stands",
		.offset = offsetof(struct sha256, field) },
	{ "into", STAGE_STRING, .def = "sha256",
		.doc = "name of the member that receives the digest",
		.offset = offsetof(struct sha256, into) },
	{ 0 },
};

static void sha256_close(void *instance, struct stage_ctx *ctx)
{
	struct sha256 *sha256 = instance;

	stage_path_done(&sha256->path);
	free(sha256->into_token.name);
	free(sha256->member);
}

static bool prepare(struct sha256 *sha256)
{
	size_t len = strlen(sha256->into);
	char *at;

	sha256->into_token = (struct stage_token){ strdup(sha256->into), len, SIZE_MAX };
	sha256->member = malloc(STAGE_ESCAPED_MAX(len) + 5);
	if (sha256->into_token.name == NULL || sha256->member == NULL ||
		!stage_path_init(&sha256->path, sha256->field))
		return false;
	at = stage_put(sha256->member, ",\"", 2);
	at = stage_put_escaped(at, sha256->into, len);
	at = stage_put(at, "\":", 2);
	sha256->member_len = (size_t)(at - sha256->member);
	return true;
}

static enum stage_result sha256_open(void *instance, struct stage_ctx *ctx)
{
	if (prepare(instance))
		return STAGE_OK;
	sha256_close(instance, ctx);
	return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
}

/* What one walk over the item's members finds. */
struct found {
	struct stage_slice text; /* the field, a string with its quotes */
	struct stage_slice old;  /* the value that the digest replaces */
	bool empty;              /* the item has no members */
};

static bool find(const struct sha256 *sha256, struct stage_slice item, struct found *ret)
{
	const struct stage_path *path = &sha256->path;
	struct stage_slice name, value;
	struct stage_walk walk;

	*ret = (struct found){ .empty = true };
	if (!stage_walk_open(&walk, item, '{'))
		return false;
	while (stage_walk_member(&walk, &name, &value)) {
		ret->empty = false;
		if (ret->text.at == NULL && path->depth > 0 &&
			stage_token_is(&path->tokens[0], name))
			ret->text = stage_slice_descend(value, path, 1);
		if (ret->old.at == NULL && stage_token_is(&sha256->into_token, name))
			ret->old = value;
	}
	return true;
}

/* A string of the digest's length, quotes included. */
static char *put_digest(char *to, struct sha256_ctx *hash)
{
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_digest(hash, sizeof(digest), digest);
	*to++ = '"';
	to = stage_put_hex(to, digest, sizeof(digest));
	*to++ = '"';
	return to;
}

static enum stage_result emit(const struct sha256 *sha256, struct stage_ctx *ctx,
	struct stage_slice item, const struct found *found, struct sha256_ctx *hash)
{
	bool replace = found->old.at != NULL, comma = !found->empty;
	const char *cut = replace ? found->old.at : item.at + item.len - 1;
	const char *rest = replace ? cut + found->old.len : cut;
	char *to = stage_reserve(ctx, item.len + sha256->member_len + HEX_LEN + 2), *at = to;

	if (to == NULL)
		return STAGE_FAILED;
	at = stage_put(at, item.at, (size_t)(cut - item.at));
	if (!replace)
		at = stage_put(at, sha256->member + !comma, sha256->member_len - !comma);
	at = put_digest(at, hash);
	at = stage_put(at, rest, (size_t)(item.at + item.len - rest));
	return stage_emit_reserved(ctx, (size_t)(at - to));
}

static enum stage_result sha256_run(void *instance, struct stage_ctx *ctx)
{
	const struct sha256 *sha256 = instance;
	struct stage_slice item = stage_slice_input(ctx), text;
	struct sha256_ctx hash;
	struct found found;

	if (!find(sha256, item, &found))
		return stage_fail(ctx, STAGE_PERMANENT, "the item is not an object");
	if (!stage_slice_is_string(found.text))
		return stage_fail(ctx, STAGE_PERMANENT, "no string field '%s'",
			sha256->field + (sha256->path.depth == 1));
	text = stage_slice_text(ctx, found.text);
	if (text.at == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	sha256_init(&hash);
	sha256_update(&hash, text.len, (const uint8_t *)text.at);
	return emit(sha256, ctx, item, &found, &hash);
}

STAGE(.name = "sha256", .version = "1.0.0", .summary = "Add the SHA-256 of a string field",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct sha256),
	.params = sha256_params, .open = sha256_open, .close = sha256_close, .run = sha256_run);
