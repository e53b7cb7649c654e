#include "http/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "http/caller.h"
#include "http/identity.h"
#include "http/internal.h"
#include "http/listener.h"
#include "http/negotiate.h"
#include "http/tokens.h"

#define SCHEME     "Bearer"
#define SCHEME_LEN (sizeof(SCHEME) - 1)

/* What pages may send and see, beyond what any page may. */
#define SENT                                                                       \
	"Accept, Authorization, Content-Encoding, Content-Type, Idempotency-Key, " \
	"If-None-Match, Last-Event-ID, traceparent"
#define SEEN                                                                              \
	"Content-Encoding, ETag, Leat-Job, Link, Location, RateLimit, RateLimit-Policy, " \
	"Retry-After, WWW-Authenticate"

/* ---- lists ---- */

bool guard_listed(const char *list, const char *word, size_t len)
{
	size_t step;

	for (; *list != '\0'; list += step) {
		list += strspn(list, ", ");
		step = strcspn(list, ", ");
		if (step == len && len > 0 && strncasecmp(list, word, len) == 0)
			return true;
	}
	return false;
}

/* ---- Host ---- */

static bool is_address(const char *host, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	return inet_pton(AF_INET, text, &address) == 1;
}

/* In brackets; a browser writes it in no other way, and no name has any. */
static bool is_address_6(const char *host)
{
	return host[0] == '[' && strchr(host, ']') != NULL;
}

bool guard_host_is_ours(const char *host, const char *hosts)
{
	size_t len;

	if (host == NULL || is_address_6(host))
		return true;
	len = strcspn(host, ":");
	if (is_address(host, len))
		return true;
	if (len > 0 && host[len - 1] == '.')
		len--; /* the root */
	return guard_listed("localhost", host, len) || guard_listed(hosts, host, len);
}

/* No browser speaks to a Unix socket. */
static bool is_local(const struct request *request)
{
	const struct caller *caller = caller_of(request->connection);

	return caller != NULL && caller->listener->is_unix;
}

static int check_host(const struct request *request, struct error *err)
{
	const char *host = request_header(request, "Host");

	if (request->shown || is_local(request) ||
		guard_host_is_ours(host, request_config(request)->hosts))
		return 0;
	return error_set(err, ERR_HOST,
		"'%.100s' is not a name of this server: ask by its address, or list the name "
		"in its setting hosts",
		host);
}

/* ---- Authorization ---- */

struct authorization {
	unsigned count;
	char *text;
};

static enum MHD_Result find_authorization(
	void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct authorization *found = arg;

	if (strcasecmp(name, "Authorization") != 0 || value == NULL)
		return MHD_YES;
	/* The library's own buffer, where nobody else looks for it any more. */
	if (found->count++ > 0)
		explicit_bzero((char *)(uintptr_t)value, strlen(value));
	else
		found->text = (char *)(uintptr_t)value;
	return MHD_YES;
}

/* What stands behind "Bearer "; NULL: it is something else. */
static const char *bearer(const char *text)
{
	const char *at = text + SCHEME_LEN;

	if (strncasecmp(text, SCHEME, SCHEME_LEN) != 0 || *at != ' ')
		return NULL;
	return at + strspn(at, " ");
}

static void become(struct request *request, struct principal *principal)
{
	principal_unref(request->principal);
	request->principal = principal_ref(principal);
}

void guard_identify(struct request *request)
{
	const struct http_server *server = request->server;
	struct authorization found = { 0 };
	struct principal *who = NULL;
	const char *token;

	MHD_get_connection_values(
		request->connection, MHD_HEADER_KIND, find_authorization, &found);
	if (server->tokens != NULL)
		become(request, server->nobody);
	if (found.text == NULL) {
		who = identity_of(request);
		if (who != NULL)
			become(request, who);
		return;
	}
	token = bearer(found.text);
	/* Of two, nobody can say which one is meant. */
	if (server->tokens != NULL && token != NULL && found.count == 1)
		who = tokens_by_text(server->tokens, token);
	explicit_bzero(found.text, strlen(found.text));
	request->shown = who != NULL;
	request->refused = who == NULL;
	if (who != NULL)
		become(request, who);
}

/* ---- scopes ---- */

static int check_scope(const struct request *request, struct error *err)
{
	const struct principal *principal = request->principal;
	unsigned wanted = request->route->scopes;
	char text[SCOPES_TEXT_SIZE];

	if (principal_may(principal, wanted & SCOPE_ALL)) {
		if ((wanted & SCOPE_SPANS) == 0 || principal->labels == NULL)
			return 0;
		return error_set(err, ERR_FORBIDDEN,
			"this spans the jobs of all labels, and the token '%s' is for some",
			principal->name);
	}
	if (principal == request->server->nobody && !request->refused &&
		identity_name(request) != NULL)
		return error_set(err, ERR_UNAUTHORIZED,
			"the connection says '%s', and the tokens file has nobody of this name",
			identity_name(request));
	if (principal == request->server->nobody)
		return error_set(err, ERR_UNAUTHORIZED, "%s",
			request->refused ? "the token is not one of this server, or was revoked"
					 : "this needs a token: Authorization: Bearer TOKEN");
	scopes_text(wanted & SCOPE_ALL, " or ", text);
	return error_set(err, ERR_FORBIDDEN,
		"this needs the scope %s, which the token '%s' lacks", text, principal->name);
}

void guard_challenge(struct request *request, const struct error *err)
{
	char scopes[SCOPES_TEXT_SIZE], text[160];

	if (err->code == ERR_UNAUTHORIZED) {
		request_set_header(request, "WWW-Authenticate",
			request->refused ? SCHEME " realm=\"leat\", error=\"invalid_token\""
					 : SCHEME " realm=\"leat\"");
	} else if (err->code == ERR_FORBIDDEN && request->route != NULL) {
		scopes_text(request->route->scopes & SCOPE_ALL, " ", scopes);
		snprintf(text, sizeof(text),
			SCHEME " realm=\"leat\", error=\"insufficient_scope\", scope=\"%s\"",
			scopes);
		request_set_header(request, "WWW-Authenticate", text);
	}
}

/* ---- Origin ---- */

/* The request's Origin, if pages of it are welcome; NULL. */
static const char *welcome_origin(const struct request *request)
{
	const char *origins = request_config(request)->cors_origins;
	const char *origin = *origins == '\0' ? NULL : request_header(request, "Origin");

	return origin != NULL && guard_listed(origins, origin, strlen(origin)) ? origin : NULL;
}

/* Nobody's web page may use a browser of this machine to change anything here. */
static int check_origin(const struct request *request, struct error *err)
{
	if (request->method == METHOD_GET || request->method == METHOD_HEAD ||
		origin_is_own(request_header(request, "Origin"),
			request_header(request, "Sec-Fetch-Site"),
			request_header(request, "Host")) ||
		welcome_origin(request) != NULL)
		return 0;
	return error_set(err, ERR_CROSS_ORIGIN,
		"a page of another origin asks; only pages of this server may change anything");
}

bool guard_preflight(struct request *request, const char *method)
{
	if (strcmp(method, MHD_HTTP_METHOD_OPTIONS) != 0 ||
		request_header(request, "Access-Control-Request-Method") == NULL ||
		welcome_origin(request) == NULL)
		return false;
	request_reply_empty(request, MHD_HTTP_NO_CONTENT);
	request_set_header(
		request, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
	request_set_header(request, "Access-Control-Allow-Headers", SENT);
	request_set_header(request, "Access-Control-Max-Age", "600");
	return true;
}

void guard_seal(struct request *request)
{
	const char *origin = welcome_origin(request);

	request_set_header(request, "X-Content-Type-Options", "nosniff");
	if (*request_config(request)->cors_origins != '\0')
		request_set_header(request, "Vary", "Origin");
	if (origin == NULL)
		return;
	request_set_header(request, "Access-Control-Allow-Origin", origin);
	request_set_header(request, "Access-Control-Expose-Headers", SEEN);
}

int guard_admit(struct request *request, struct error *err)
{
	if (identity_check(request, err) < 0 || check_scope(request, err) < 0)
		return -1;
	/* Pages and probes tell nothing that is anybody's. */
	if (request->route->scopes != SCOPE_NONE && check_host(request, err) < 0)
		return -1;
	return check_origin(request, err);
}
