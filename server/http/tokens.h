/*
 * tokens: those who may ask, as a file names them.
 *
 *	leat_9f86d081884c_4Jc…	a token: how it is called in the file, and 256 random bits
 *	{"name":"ci","id":"9f86d081884c","salt":"…","hash":"…","scopes":["submit"],…}
 *
 * The file (http/tokens_file.h) has a line for each and no token in it: only what HMAC-SHA256
 * makes of it under a salt. As the token is random, nothing slower is needed, and one request
 * costs one HMAC whatever the number of tokens. A record without id, salt and hash is known by
 * its name alone: somebody for whom a certificate or a Unix user stands.
 *
 * Thread: any, one at a time.
 */
#ifndef LEAT_HTTP_TOKENS_H
#define LEAT_HTTP_TOKENS_H

#include <stdint.h>

#include "base/error.h"
#include "http/principal.h"

#define TOKEN_ID_SIZE      13 /* 12 hex digits */
#define TOKEN_TEXT_SIZE    62
#define TOKEN_SALT_BYTES   16
#define TOKEN_HASH_BYTES   32
#define TOKEN_CREATED_SIZE 32
#define TOKENS_MAX         10000

struct token {
	char id[TOKEN_ID_SIZE]; /* "": it has no token */
	uint8_t salt[TOKEN_SALT_BYTES], hash[TOKEN_HASH_BYTES];
	char created[TOKEN_CREATED_SIZE]; /* RFC 3339; for people */
	struct principal *principal;      /* a reference */
};

struct tokens {
	struct token *items; /* in the file's order */
	size_t count;
	const struct token **by_id, **by_name; /* sorted; of tokens_index() */
	size_t id_count;
};

struct tokens *tokens_new(void);
void tokens_free(struct tokens *tokens);
/* `token` is copied, its reference taken. Errors: ERR_NO_MEMORY, ERR_BUSY (TOKENS_MAX). */
int tokens_add(struct tokens *tokens, const struct token *token, struct error *err);
void tokens_remove(struct tokens *tokens, size_t at);
/* Make it ready for looking up. ERR_BAD_REQUEST: a name or an id stands in it twice. */
int tokens_index(struct tokens *tokens, struct error *err);

/* Whose token is this? NULL: nobody's. Borrowed. */
struct principal *tokens_by_text(const struct tokens *tokens, const char *text);
/* Who is called so? For who has shown otherwise that he is it. NULL: nobody. Borrowed. */
struct principal *tokens_by_name(const struct tokens *tokens, const char *name);

/*
 * `fresh` takes the place of `old`. Whoever stands in both with the same token and the same
 * labels stays the same principal, with the scopes of now; all others of `old` are `revoked`.
 */
void tokens_succeed(struct tokens *fresh, const struct tokens *old);

/* A new token, its id, salt and hash in `token`. Its text is the caller's to forget. */
void token_make(struct token *token, char ret_text[static TOKEN_TEXT_SIZE]);

/* What a name may be, NULL; otherwise what is wrong with it. */
const char *token_name_mistake(const char *name);

#endif
