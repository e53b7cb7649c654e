#include "http/tokens.h"

#include <nettle/base16.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/random.h"

#define PREFIX       "leat_"
#define PREFIX_LEN   (sizeof(PREFIX) - 1)
#define ID_BYTES     ((TOKEN_ID_SIZE - 1) / 2)
#define SECRET_BYTES 32
#define SECRET_LEN   43 /* in base64url without padding */

_Static_assert(PREFIX_LEN + TOKEN_ID_SIZE - 1 + 1 + SECRET_LEN + 1 == TOKEN_TEXT_SIZE,
	"prefix, id, underscore, secret, NUL");

/* ---- life ---- */

struct tokens *tokens_new(void)
{
	return mem_zalloc(sizeof(struct tokens));
}

void tokens_free(struct tokens *tokens)
{
	if (tokens == NULL)
		return;
	for (size_t at = 0; at < tokens->count; at++)
		principal_unref(tokens->items[at].principal);
	mem_free(tokens->items);
	mem_free(tokens->by_id);
	mem_free(tokens->by_name);
	mem_free(tokens);
}

int tokens_add(struct tokens *tokens, const struct token *token, struct error *err)
{
	struct token *items;

	if (tokens->count == TOKENS_MAX)
		return error_set(err, ERR_BUSY,
			"there are %d tokens already, which is all "
			"there may be",
			TOKENS_MAX);
	/* Doubled whenever the count is a power of two. */
	if ((tokens->count & (tokens->count - 1)) == 0) {
		items = mem_realloc(
			tokens->items, MAX(2 * tokens->count, (size_t)1) * sizeof(*items));
		if (items == NULL)
			return error_no_memory(err);
		tokens->items = items;
	}
	tokens->items[tokens->count++] = *token;
	return 0;
}

void tokens_remove(struct tokens *tokens, size_t at)
{
	principal_unref(tokens->items[at].principal);
	memmove(&tokens->items[at], &tokens->items[at + 1],
		(tokens->count - at - 1) * sizeof(tokens->items[0]));
	tokens->count--;
}

/* ---- looking up ---- */

static int compare_ids(const void *a, const void *b)
{
	return strcmp(
		(*(const struct token *const *)a)->id, (*(const struct token *const *)b)->id);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(const struct token *const *)a)->principal->name,
		(*(const struct token *const *)b)->principal->name);
}

static int find_doubles(const struct tokens *tokens, struct error *err)
{
	for (size_t at = 1; at < tokens->count; at++)
		if (compare_names(&tokens->by_name[at - 1], &tokens->by_name[at]) == 0)
			return error_set(err, ERR_BAD_REQUEST,
				"the name '%s' stands there twice",
				tokens->by_name[at]->principal->name);
	for (size_t at = 1; at < tokens->id_count; at++)
		if (compare_ids(&tokens->by_id[at - 1], &tokens->by_id[at]) == 0)
			return error_set(err, ERR_BAD_REQUEST, "the id '%s' stands there twice",
				tokens->by_id[at]->id);
	return 0;
}

int tokens_index(struct tokens *tokens, struct error *err)
{
	size_t size = (tokens->count + 1) * sizeof(tokens->by_id[0]);
	const struct token **by_id = mem_alloc(size), **by_name = mem_alloc(size);

	if (by_id == NULL || by_name == NULL) {
		mem_free(by_id);
		mem_free(by_name);
		return error_no_memory(err);
	}
	mem_free(tokens->by_id);
	mem_free(tokens->by_name);
	tokens->by_id = by_id;
	tokens->by_name = by_name;
	tokens->id_count = 0;
	for (size_t at = 0; at < tokens->count; at++) {
		by_name[at] = &tokens->items[at];
		if (tokens->items[at].id[0] != '\0')
			by_id[tokens->id_count++] = &tokens->items[at];
	}
	qsort(by_name, tokens->count, sizeof(by_name[0]), compare_names);
	qsort(by_id, tokens->id_count, sizeof(by_id[0]), compare_ids);
	return find_doubles(tokens, err);
}

/* ---- tokens as texts ---- */

static void hash_text(
	const struct token *token, const char *text, uint8_t ret[TOKEN_HASH_BYTES])
{
	struct hmac_sha256_ctx hmac;

	hmac_sha256_set_key(&hmac, TOKEN_SALT_BYTES, token->salt);
	hmac_sha256_update(&hmac, strlen(text), (const uint8_t *)text);
	hmac_sha256_digest(&hmac, TOKEN_HASH_BYTES, ret);
	explicit_bzero(&hmac, sizeof(hmac));
}

/* The id is no secret: how long it takes to find it may be seen. */
static const struct token *find_id(const struct tokens *tokens, const char *text)
{
	struct token wanted = { 0 };
	const struct token *key = &wanted, **found;

	if (strlen(text) != TOKEN_TEXT_SIZE - 1 || memcmp(text, PREFIX, PREFIX_LEN) != 0)
		return NULL;
	memcpy(wanted.id, text + PREFIX_LEN, TOKEN_ID_SIZE - 1);
	found = bsearch(&key, tokens->by_id, tokens->id_count, sizeof(key), compare_ids);
	return found == NULL ? NULL : *found;
}

struct principal *tokens_by_text(const struct tokens *tokens, const char *text)
{
	const struct token *token = find_id(tokens, text);
	uint8_t hash[TOKEN_HASH_BYTES];
	int same;

	if (token == NULL)
		return NULL;
	hash_text(token, text, hash);
	same = memeql_sec(hash, token->hash, sizeof(hash));
	explicit_bzero(hash, sizeof(hash));
	return same ? token->principal : NULL;
}

static int compare_with_name(const void *name, const void *token)
{
	return strcmp(name, (*(const struct token *const *)token)->principal->name);
}

struct principal *tokens_by_name(const struct tokens *tokens, const char *name)
{
	const struct token **found = bsearch(name, tokens->by_name, tokens->count,
		sizeof(tokens->by_name[0]), compare_with_name);

	return found == NULL ? NULL : (*found)->principal;
}

/* base64url of 32 bytes ends in one '=', which is left out. */
static void secret_text(char ret_text[static SECRET_LEN + 1])
{
	uint8_t secret[SECRET_BYTES];
	struct base64_encode_ctx base64;
	char padded[BASE64_ENCODE_LENGTH(SECRET_BYTES) + BASE64_ENCODE_FINAL_LENGTH];
	size_t len;

	random_bytes(secret, sizeof(secret));
	base64url_encode_init(&base64);
	len = base64_encode_update(&base64, padded, sizeof(secret), secret);
	base64_encode_final(&base64, padded + len);
	memcpy(ret_text, padded, SECRET_LEN);
	ret_text[SECRET_LEN] = '\0';
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(padded, sizeof(padded));
}

void token_make(struct token *token, char ret_text[static TOKEN_TEXT_SIZE])
{
	uint8_t id[ID_BYTES];

	random_bytes(id, sizeof(id));
	random_bytes(token->salt, sizeof(token->salt));
	base16_encode_update(token->id, sizeof(id), id);
	token->id[TOKEN_ID_SIZE - 1] = '\0';
	memcpy(ret_text, PREFIX, PREFIX_LEN);
	memcpy(ret_text + PREFIX_LEN, token->id, TOKEN_ID_SIZE - 1);
	ret_text[PREFIX_LEN + TOKEN_ID_SIZE - 1] = '_';
	secret_text(ret_text + PREFIX_LEN + TOKEN_ID_SIZE);
	hash_text(token, ret_text, token->hash);
}

const char *token_name_mistake(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= PRINCIPAL_NAME_SIZE)
		return "a name has 1 to 63 characters";
	for (size_t at = 0; at < len; at++)
		if (name[at] < ' ' || name[at] > '~' || name[at] == '"' || name[at] == '\\')
			return "a name is made of printable ASCII, without \" and \\";
	if (name[0] == ' ' || name[len - 1] == ' ')
		return "a name neither begins nor ends with a space";
	return NULL;
}

/* ---- one file after another ---- */

static bool same_token(const struct token *a, const struct token *b)
{
	return strcmp(a->id, b->id) == 0 && memcmp(a->salt, b->salt, TOKEN_SALT_BYTES) == 0 &&
	       memcmp(a->hash, b->hash, TOKEN_HASH_BYTES) == 0 &&
	       ((a->principal->labels == NULL && b->principal->labels == NULL) ||
		       json_equal(a->principal->labels, b->principal->labels));
}

void tokens_succeed(struct tokens *fresh, const struct tokens *old)
{
	for (size_t at = 0; at < old->count; at++) {
		struct principal *was = old->items[at].principal;
		const struct token **found = bsearch(was->name, fresh->by_name, fresh->count,
			sizeof(fresh->by_name[0]), compare_with_name);
		struct token *now = found == NULL ? NULL : (struct token *)(uintptr_t)*found;

		if (now == NULL || !same_token(now, &old->items[at])) {
			was->revoked = true;
			continue;
		}
		was->scopes = now->principal->scopes;
		principal_unref(now->principal);
		now->principal = principal_ref(was);
	}
}
