/*
 * handover: the end of a server whose sockets somebody else goes on holding.
 *
 *	leave: accept no more ─► answer whoever was accepted ─► has_left ─► drain, stop
 *
 * Whoever connects meanwhile waits in the socket's backlog for the next server. Whoever was
 * accepted before gets his reply from this one, with Connection: close: what has been asked,
 * and the first request of those who have asked nothing yet. Only those who follow are ended
 * at once; they know where they stood, and go on with the next server.
 */
#include "http/internal.h"
#include "http/request.h"

void http_server_leave(struct http_server *server)
{
	if (server->leaving)
		return;
	server->leaving = true;
	for (unsigned at = 0; at < server->listener_count; at++)
		listener_quiesce(&server->listeners[at]);
	LIST_EACH(&server->requests, link)
	{
		struct request *request = LIST_ENTRY(link, struct request, link);

		if (request->begun && request->endpoint->body == NULL &&
			request->endpoint->quiesce != NULL)
			request->endpoint->quiesce(request);
	}
	http_server_kick(server);
}

bool http_server_has_left(const struct http_server *server, bool patient)
{
	/* Who was accepted a moment ago may be known to the library alone (1.0 looks at him
	 * when it is run). */
	if (server->kicked)
		return false;
	return server->active == 0 && !(patient && !list_empty(&server->peers.fresh));
}
