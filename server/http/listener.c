#include "http/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"
#include "http/socket.h"

#define ACCEPTS_MAX     64 /* in a row, before others on the loop have their turn */
#define ACCEPT_AGAIN_MS 100
#define HANDSHAKE_BYTES (256u << 10) /* an RSA one takes less than half of that */

/* ---- start ---- */

static int open_unix(
	struct listener *listener, const struct http_place *place, struct error *err)
{
	listener->is_unix = true;
	listener->path = mem_strdup(place->text);
	if (listener->path == NULL)
		return error_no_memory(err);
	if (socket_listen_unix(place, &listener->fd, err) < 0) {
		mem_free(TAKE(listener->path));
		return -1;
	}
	lstat(listener->path, &listener->made);
	return 0;
}

static int open_place(
	struct listener *listener, const struct http_place *place, struct error *err)
{
	switch (place->kind) {
	case PLACE_UNIX:
		return open_unix(listener, place, err);
	case PLACE_HANDED:
		listener->fd = place->fd;
		listener->handed = true;
		return socket_take_handed(place->fd, &listener->is_unix, &listener->port, err);
	default:
		return socket_listen(
			place->text, place->port, &listener->fd, &listener->port, err);
	}
}

int listener_open(struct listener *listener, struct http_server *server,
	const struct http_place *place, struct error *err)
{
	*listener = (struct listener){ .server = server, .fd = -1 };
	listener->knocks = mem_zalloc(sizeof(*listener->knocks));
	if (listener->knocks == NULL)
		return error_no_memory(err);
	if (open_place(listener, place, err) < 0) {
		mem_free(TAKE(listener->knocks));
		return -1;
	}
	socket_name(listener->fd, listener->name, sizeof(listener->name));
	return 0;
}

/* ---- letting in ---- */

static void on_knock(uv_poll_t *knocks, int status, int events);

static void on_again(uv_timer_t *again)
{
	struct listener *listener = again->data;

	uv_poll_start(listener->knocks, UV_READABLE, on_knock);
}

/* Whoever knocks waits in the system's queue meanwhile. */
static void let_wait(struct listener *listener)
{
	uv_poll_stop(listener->knocks);
	uv_timer_start(&listener->again, on_again, ACCEPT_AGAIN_MS, 0);
}

static void starve(struct listener *listener, int why)
{
	let_wait(listener);
	if (listener->starved == 0) {
		listener->starved_total++;
		log_warn("accept_starved", "listen=%s err=\"%s\" hint=\"clients wait; %s\"",
			listener->name, strerror(why),
			why == ENOMEM
				? "there must be more memory, or a smaller memory-max"
				: "raise the limit of open files, or lower connections-max");
	}
	listener->starved = why;
}

static void take_in(
	struct listener *listener, int fd, const struct sockaddr *from, socklen_t len)
{
	if (listener->starved != 0)
		log_info("accept_again", "listen=%s", listener->name);
	listener->starved = 0;
	MHD_add_connection(listener->daemon, fd, from, len);
	http_server_kick(listener->server);
}

static bool is_full(const struct listener *listener)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info->num_connections >= listener->limit;
}

/* That client is gone already, or the network has something to say of him: the next one. */
static bool is_of_one_client(int why)
{
	return why == ECONNABORTED || why == EINTR || why == EPROTO || why == EPERM ||
	       why == ENETDOWN || why == ENETUNREACH || why == EHOSTDOWN ||
	       why == EHOSTUNREACH || why == ENONET || why == ENOPROTOOPT || why == ETIMEDOUT;
}

/* libtasn1, under GnuTLS, does not survive a handshake without memory: so first we look whether
 * there is enough for one. */
static bool has_memory(const struct listener *listener)
{
	void *room = listener->tls ? mem_alloc(HANDSHAKE_BYTES) : NULL;

	mem_free(room);
	return room != NULL || !listener->tls;
}

/* False: no more now. */
static bool accept_one(struct listener *listener)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int fd;

	if (!has_memory(listener)) {
		starve(listener, ENOMEM);
		return false;
	}
	fd = accept4(
		listener->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		take_in(listener, fd, (struct sockaddr *)&from, len);
		return true;
	}
	if (is_of_one_client(errno))
		return true;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		starve(listener, errno);
	return false;
}

static void on_knock(uv_poll_t *knocks, int status, int events)
{
	struct listener *listener = knocks->data;

	for (unsigned count = 0; count < ACCEPTS_MAX; count++) {
		if (is_full(listener)) {
			let_wait(listener);
			return;
		}
		if (!accept_one(listener))
			return;
	}
}

void listener_watch(struct listener *listener, uv_loop_t *loop, uv_poll_cb on_readable)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	uv_poll_init(loop, &listener->poll, info->epoll_fd);
	uv_poll_init(loop, listener->knocks, listener->fd);
	uv_timer_init(loop, &listener->again);
	listener->poll.data = listener->knocks->data = listener->again.data = listener;
	listener->has_poll = true;
	uv_poll_start(&listener->poll, UV_READABLE, on_readable);
	uv_poll_start(listener->knocks, UV_READABLE, on_knock);
}

/* ---- the end ---- */

static void free_handle(uv_handle_t *handle)
{
	mem_free(handle);
}

/* Before the socket is closed: its number may be somebody else's the next moment. */
static void look_no_more(struct listener *listener)
{
	if (listener->knocks == NULL)
		return;
	if (listener->has_poll) {
		uv_timer_stop(&listener->again);
		uv_close((uv_handle_t *)TAKE(listener->knocks), free_handle);
	} else {
		mem_free(TAKE(listener->knocks));
	}
}

/* Whoever connects from now on is refused, or waits for the next one to be handed the socket.
 */
void listener_quiesce(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	look_no_more(listener);
	if (listener->path != NULL)
		socket_remove_unix(listener->path, &listener->made);
	mem_free(TAKE(listener->path));
	close(listener->fd);
	listener->fd = -1;
}

void listener_stop(struct listener *listener)
{
	listener_quiesce(listener);
	if (listener->has_poll)
		uv_poll_stop(&listener->poll);
	if (listener->daemon != NULL)
		MHD_stop_daemon(listener->daemon);
	listener->daemon = NULL;
}

void listener_close(struct listener *listener, uv_close_cb on_closed)
{
	uv_close((uv_handle_t *)&listener->poll, on_closed);
	uv_close((uv_handle_t *)&listener->again, on_closed);
}
