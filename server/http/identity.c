#include "http/identity.h"

#include <gnutls/x509.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/caller.h"
#include "http/internal.h"
#include "http/tokens.h"
#include "job/text.h"

/* ---- the setting ---- */

static int find_user(const char *text, uid_t *ret, struct error *err)
{
	unsigned long long number;
	const struct passwd *user;

	if (text_to_uint(text, (uid_t)-2, &number)) {
		*ret = (uid_t)number;
		return 0;
	}
	user = getpwnam(text);
	if (user == NULL)
		return error_set(err, ERR_BAD_REQUEST,
			"unix-users: there is no user '%.60s' on this machine", text);
	*ret = user->pw_uid;
	return 0;
}

static int parse_user(char *text, struct identity_user *ret, struct error *err)
{
	char *name = strchr(text, '=');
	const char *mistake;

	*ret = (struct identity_user){ 0 };
	if (name != NULL) {
		*name++ = '\0';
		mistake = token_name_mistake(name);
		if (mistake != NULL)
			return error_set(err, ERR_BAD_REQUEST, "unix-users: '%.60s=%.80s': %s",
				text, name, mistake);
		strcpy(ret->name, name);
	}
	return find_user(text, &ret->uid, err);
}

int identity_parse(const char *text, bool tokens, struct identity_users *ret, struct error *err)
{
	_auto_free_ char *copy = mem_strdup(text);
	char *rest = NULL;

	ret->count = 0;
	if (copy == NULL)
		return error_no_memory(err);
	for (char *one = strtok_r(copy, ",", &rest); one != NULL;
		one = strtok_r(NULL, ",", &rest)) {
		if (ret->count == IDENTITY_USERS_MAX)
			return error_set(err, ERR_BAD_REQUEST, "unix-users: more than %d users",
				IDENTITY_USERS_MAX);
		one += strspn(one, " ");
		if (parse_user(one, &ret->items[ret->count++], err) < 0)
			return -1;
		if (!tokens && ret->items[ret->count - 1].name[0] != '\0')
			return error_set(err, ERR_BAD_REQUEST,
				"unix-users: '%.60s=%.80s' names a line of the tokens file, "
				"and the setting tokens is not set",
				one, ret->items[ret->count - 1].name);
	}
	return 0;
}

/* ---- the connection ---- */

static const struct caller *caller_behind(const struct request *request)
{
	return caller_of(request->connection);
}

static const struct identity_user *listed(const struct request *request, uid_t uid)
{
	const struct identity_users *users = &request->server->unix_users;

	for (unsigned at = 0; at < users->count; at++)
		if (users->items[at].uid == uid)
			return &users->items[at];
	return NULL;
}

static bool is_ours(uid_t uid)
{
	return uid == geteuid() || uid == 0;
}

int identity_check(const struct request *request, struct error *err)
{
	const struct caller *caller = caller_behind(request);

	if (!caller->listener->is_unix || is_ours(caller->uid) ||
		listed(request, caller->uid) != NULL)
		return 0;
	return error_set(err, ERR_FORBIDDEN,
		"the user %ld may not use this socket; the setting unix-users lists who may",
		(long)(int)caller->uid);
}

/* The common name; false: there is no certificate, or its name is none that we know. */
static bool read_certificate(gnutls_session_t session, char ret[static PRINCIPAL_NAME_SIZE])
{
	unsigned count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	size_t size = PRINCIPAL_NAME_SIZE;
	gnutls_x509_crt_t certificate;
	int failed;

	if (chain == NULL || count == 0 || gnutls_x509_crt_init(&certificate) < 0)
		return false;
	failed = gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER);
	if (failed == 0)
		failed = gnutls_x509_crt_get_dn_by_oid(
			certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, ret, &size);
	gnutls_x509_crt_deinit(certificate);
	return failed == 0 && strlen(ret) == size && token_name_mistake(ret) == NULL;
}

/* What the connection shows of itself is looked at once. */
static void look(struct caller *caller, const struct request *request)
{
	const struct identity_user *user;

	if (caller->looked)
		return;
	caller->looked = true;
	if (caller->session != NULL) {
		if (!read_certificate(caller->session, caller->name))
			caller->name[0] = '\0';
		return;
	}
	user = listed(request, caller->uid);
	if (user != NULL && !is_ours(caller->uid))
		snprintf(caller->name, sizeof(caller->name), "%s", user->name);
}

/* Whoever needs no record in the tokens file: he may do everything. */
static struct principal *himself(struct caller *caller, const char *name)
{
	if (caller->self == NULL)
		caller->self = principal_new(name, SCOPE_ALL, NULL);
	return caller->self;
}

static struct principal *user_himself(struct caller *caller)
{
	char name[PRINCIPAL_NAME_SIZE];

	snprintf(name, sizeof(name), "uid:%ld", (long)(int)caller->uid);
	return himself(caller, name);
}

struct principal *identity_of(const struct request *request)
{
	const struct tokens *tokens = request->server->tokens;
	struct caller *caller = caller_of(request->connection);

	if (!caller->listener->is_unix && caller->session == NULL)
		return NULL;
	look(caller, request);
	if (caller->name[0] == '\0')
		return caller->listener->is_unix ? user_himself(caller) : NULL;
	return tokens == NULL ? himself(caller, caller->name)
			      : tokens_by_name(tokens, caller->name);
}

const char *identity_name(const struct request *request)
{
	const struct caller *caller = caller_behind(request);

	return caller->name[0] == '\0' ? NULL : caller->name;
}
