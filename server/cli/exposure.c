#include "cli/exposure.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "base/log.h"
#include "http/socket.h"
#include "http/tokens_file.h"

bool host_is_loopback(const char *host)
{
	struct in6_addr in6;
	struct in_addr in;

	if (inet_pton(AF_INET, host, &in) == 1)
		return ntohl(in.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, host, &in6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&in6) ||
		       (IN6_IS_ADDR_V4MAPPED(&in6) && in6.s6_addr[12] == 127);
	return strcasecmp(host, "localhost") == 0;
}

/* Where other machines come in; NULL: only this one, through it. */
static const char *open_address(const struct http_place *place, char *to, size_t size)
{
	if (place->kind == PLACE_UNIX)
		return NULL;
	if (place->kind == PLACE_TCP)
		return host_is_loopback(place->text) ? NULL : place->text;
	socket_name(place->fd, to, size);
	if (strcmp(to, "?") == 0) /* no socket at all, as will be said */
		return NULL;
	return strncmp(to, "unix:", 5) == 0 || host_is_loopback(to) ? NULL : to;
}

static int check_place(
	const struct settings *settings, const struct http_place *place, struct error *err)
{
	char name[PLACE_TEXT_SIZE + 8];
	const char *host = open_address(place, name, sizeof(name));

	if (host == NULL)
		return 0;
	if (strcmp(settings->insecure, "yes") == 0) {
		log_warn("insecure",
			"address=%s hint=\"no tokens are in force: whoever reaches this address "
			"may do everything\"",
			host);
		return 0;
	}
	return error_set(err, ERR_BAD_REQUEST,
		"listen: other machines may reach '%.80s', and without tokens they could do "
		"everything. Make a token (leat token new --tokens FILE --name ME --scope admin) "
		"and add --tokens FILE; or listen on 127.0.0.1; or, where something else keeps "
		"strangers out, add --insecure",
		host);
}

/* Before anything is opened: a server that comes again and again would not help. */
static int check_tokens(const char *path, struct error *err)
{
	struct tokens *tokens = NULL;
	struct error why;

	if (tokens_read(path, &tokens, &why) == 0) {
		tokens_free(tokens);
		return 0;
	}
	if (why.code == ERR_NOT_FOUND)
		return error_set(err, ERR_BAD_REQUEST,
			"tokens: %s; make the first: leat token new --tokens FILE --name ME "
			"--scope admin",
			why.text);
	return error_set(err, why.code, "tokens: %s", why.text);
}

int exposure_check(
	const struct settings *settings, const struct places *places, struct error *err)
{
	bool certified = *settings->tls_client_ca != '\0' &&
			 strcmp(settings->tls_client, "required") == 0;

	if (*settings->tokens != '\0')
		return check_tokens(settings->tokens, err);
	if (certified)
		return 0;
	for (unsigned at = 0; at < places->count; at++)
		if (check_place(settings, &places->all[at], err) < 0)
			return -1;
	return 0;
}

void exposure_forbid_cores(const struct settings *settings)
{
	const struct rlimit none = { 0, 0 };

	if (strcmp(settings->core_dumps, "yes") != 0 && setrlimit(RLIMIT_CORE, &none) < 0)
		log_warn("core_dumps", "err=\"they cannot be switched off: %m\"");
}
