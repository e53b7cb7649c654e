/*
 * identity: who somebody is by his connection alone, without a token.
 *
 *	Unix socket  the user that the kernel vouches for: leat's own and root, who may do
 *	             everything, and those of the setting unix-users; nobody else connects
 *	TLS          the common name of the certificate that was verified
 *
 * Where tokens are in force, a certificate and a listed user are who the tokens file says of
 * their name, and nobody if it says nothing. A token that is shown goes before all of it.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_IDENTITY_H
#define LEAT_HTTP_IDENTITY_H

#include <sys/types.h>

#include "base/error.h"
#include "http/principal.h"
#include "http/request.h"

#define IDENTITY_USERS_MAX 64

struct identity_users {
	unsigned count;
	struct identity_user {
		uid_t uid;
		char name[PRINCIPAL_NAME_SIZE]; /* in the tokens file; "": he may do all */
	} items[IDENTITY_USERS_MAX];
};

/*
 * "alice,1001=ci": users by name or number, each with the name in the tokens file that he
 * stands for, which takes `tokens`. ERR_BAD_REQUEST.
 */
int identity_parse(
	const char *text, bool tokens, struct identity_users *ret, struct error *err);

/* May he be connected at all? ERR_FORBIDDEN. */
int identity_check(const struct request *request, struct error *err);
/* Borrowed until the connection ends or tokens are read again; NULL: the connection says
 * nothing, or nobody is called so. */
struct principal *identity_of(const struct request *request);
/* The name that the connection shows and the tokens file lacks; NULL: it shows none. */
const char *identity_name(const struct request *request);

#endif
