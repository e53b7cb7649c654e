/* The tokens in force: read at the start and again when told to. */
#include "base/log.h"
#include "http/guard.h"
#include "http/internal.h"
#include "http/tokens_file.h"

int guard_open(struct http_server *server, struct error *err)
{
	server->anonymous = principal_new("", SCOPE_ALL, NULL);
	server->nobody = principal_new("", SCOPE_NONE, NULL);
	if (server->anonymous == NULL || server->nobody == NULL)
		return error_no_memory(err);
	return *server->config.tokens == '\0'
		       ? 0
		       : tokens_read(server->config.tokens, &server->tokens, err);
}

void guard_close(struct http_server *server)
{
	tokens_free(server->tokens);
	principal_unref(server->anonymous);
	principal_unref(server->nobody);
}

static bool may_stay(const struct request *request)
{
	const struct principal *principal = request->principal;

	return request->route == NULL || request->route->scopes == SCOPE_NONE ||
	       (!principal->revoked &&
		       principal_may(principal, request->route->scopes & SCOPE_ALL));
}

/* What began when it was allowed ends where it is not any more: streams, waits, uploads. */
static unsigned cut_who_lost(struct http_server *server)
{
	unsigned count = 0;

	LIST_EACH(&server->requests, link)
	{
		struct request *request = LIST_ENTRY(link, struct request, link);

		if (may_stay(request))
			continue;
		request_hang_up(request);
		count++;
	}
	if (count > 0)
		http_server_kick(server);
	return count;
}

int guard_reload(struct http_server *server, struct error *err)
{
	struct tokens *fresh;

	if (server->tokens == NULL)
		return 0;
	if (tokens_read(server->config.tokens, &fresh, err) < 0)
		return -1;
	tokens_succeed(fresh, server->tokens);
	tokens_free(server->tokens);
	server->tokens = fresh;
	log_info("tokens", "file=%s count=%zu cut=%u", server->config.tokens, fresh->count,
		cut_who_lost(server));
	return 0;
}
