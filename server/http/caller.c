#include "http/caller.h"

#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/internal.h"
#include "http/listener.h"
#include "http/peers.h"
#include "http/tls.h"

static int socket_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info == NULL ? -1 : info->connect_fd;
}

static gnutls_session_t session_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info == NULL ? NULL : info->tls_session;
}

/* ---- parking ---- */

void callers_init(struct callers *callers)
{
	list_init(&callers->all);
	list_init(&callers->awake);
	list_init(&callers->parked);
}

static void wake(struct caller *caller)
{
	if (!caller->suspended)
		return;
	uv_poll_stop(&caller->poll);
	caller->suspended = false;
	list_remove(&caller->link);
	list_append(&caller->listener->server->callers.awake, &caller->link);
	MHD_resume_connection(caller->connection);
	http_server_kick(caller->listener->server);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	wake(CONTAINER_OF(poll, struct caller, poll));
}

/* The library may refuse by itself what is no request at all. */
static bool has_reply(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS) != NULL;
}

static void park(struct caller *caller)
{
	int events = UV_READABLE;

	if (has_reply(caller->connection)) {
		list_remove(&caller->link);
		return;
	}
	if (gnutls_record_check_pending(caller->session) > 0) {
		http_server_kick(caller->listener->server);
		return;
	}
	if (gnutls_record_get_direction(caller->session) == 1)
		events |= UV_WRITABLE;
	if (uv_poll_start(&caller->poll, events, on_ready) != 0)
		return;
	list_remove(&caller->link);
	list_append(&caller->listener->server->callers.parked, &caller->link);
	caller->suspended = true;
	MHD_suspend_connection(caller->connection);
}

void callers_park(struct callers *callers)
{
	LIST_EACH(&callers->awake, link)
	park(LIST_ENTRY(link, struct caller, link));
}

void callers_wake(struct callers *callers)
{
	LIST_EACH(&callers->parked, link)
	wake(LIST_ENTRY(link, struct caller, link));
}

void callers_tick(struct callers *callers, uint64_t idle_ns, uint64_t now_ns)
{
	LIST_EACH(&callers->parked, link)
	{
		const struct caller *caller = LIST_ENTRY(link, struct caller, link);

		if (idle_ns > 0 && now_ns - caller->since_ns > idle_ns)
			caller_cut(caller->connection);
	}
}

/* The library counts from anew where its timeout was off. One that is suspended begins afresh
 * anyway when it goes on. */
void callers_excuse(struct callers *callers, unsigned idle_timeout_s)
{
	LIST_EACH(&callers->all, among)
	{
		struct MHD_Connection *connection =
			LIST_ENTRY(among, struct caller, among)->connection;

		MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0);
		MHD_set_connection_option(
			connection, MHD_CONNECTION_OPTION_TIMEOUT, idle_timeout_s);
	}
}

/* ---- life ---- */

static uid_t user_of(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ? (uid_t)-1 : peer.uid;
}

static void begin_tls(struct caller *caller, int fd)
{
	struct http_server *server = caller->listener->server;

	caller->session = session_of(caller->connection);
	if (caller->session == NULL)
		return;
	caller->tls = tls_begin(server->tls, caller->session);
	caller->has_poll = uv_poll_init(server->loop, &caller->poll, fd) == 0;
	if (caller->has_poll)
		list_append(&server->callers.awake, &caller->link);
}

/* The library's buffers are mapped, not allocated. */
static void count_memory(const struct http_server *server)
{
	engine_set_other_memory(server->engine,
		(uint64_t)server->peers.connected * server->config.connection_memory);
}

bool caller_begin(
	struct listener *listener, struct MHD_Connection *connection, void **socket_context)
{
	struct caller *caller = mem_zalloc(sizeof(*caller));
	int fd = socket_of(connection);

	*socket_context = caller;
	if (caller == NULL) {
		shutdown(fd, SHUT_RDWR);
		return false;
	}
	list_init(&caller->link);
	list_append(&listener->server->callers.all, &caller->among);
	caller->listener = listener;
	caller->connection = connection;
	caller->since_ns = clock_mono_ns();
	caller->uid = listener->is_unix ? user_of(fd) : (uid_t)-1;
	caller->peer = peer_new(&listener->server->peers, connection);
	count_memory(listener->server);
	begin_tls(caller, fd);
	return true;
}

static void on_closed(uv_handle_t *handle)
{
	mem_free(CONTAINER_OF((uv_poll_t *)handle, struct caller, poll));
}

void caller_end(void **socket_context)
{
	struct caller *caller = *socket_context;

	*socket_context = NULL;
	if (caller == NULL)
		return;
	list_remove(&caller->link);
	list_remove(&caller->among);
	peer_free(caller->peer);
	count_memory(caller->listener->server);
	principal_unref(caller->self);
	tls_end(TAKE(caller->tls));
	if (caller->has_poll)
		uv_close((uv_handle_t *)&caller->poll, on_closed);
	else
		mem_free(caller);
}

struct caller *caller_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

void caller_speaks(struct caller *caller)
{
	list_remove(&caller->link);
}

/* ---- past the library ---- */

void caller_cut(struct MHD_Connection *connection)
{
	shutdown(socket_of(connection), SHUT_RDWR);
}

bool caller_has_pending(const struct caller *caller)
{
	return caller != NULL && caller->session != NULL &&
	       gnutls_record_check_pending(caller->session) > 0;
}

static bool send_bytes(gnutls_session_t session, int fd, const char *bytes, size_t len)
{
	if (session == NULL)
		return send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
	if (gnutls_record_send(session, bytes, len) != (ssize_t)len)
		return false;
	gnutls_bye(session, GNUTLS_SHUT_WR);
	return true;
}

/* A few hundred bytes into a socket that nothing was sent on: they fit, or it is dead. */
bool caller_send_last(struct MHD_Connection *connection, const char *bytes, size_t len)
{
	int fd = socket_of(connection);

	if (!send_bytes(session_of(connection), fd, bytes, len))
		return false;
	shutdown(fd, SHUT_WR);
	return true;
}
