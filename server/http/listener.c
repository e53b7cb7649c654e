#include "http/listener.h"

#include <unistd.h>

#include "base/mem.h"
#include "http/socket.h"

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
	if (open_place(listener, place, err) < 0)
		return -1;
	socket_name(listener->fd, listener->name, sizeof(listener->name));
	return 0;
}

void listener_watch(struct listener *listener, uv_loop_t *loop, uv_poll_cb on_readable)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	uv_poll_init(loop, &listener->poll, info->epoll_fd);
	listener->poll.data = listener;
	listener->has_poll = true;
	uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

/* ---- the end ---- */

/* Whoever connects from now on is refused, or waits for the next one to be handed the socket.
 */
static void forget_socket(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	if (listener->path != NULL)
		socket_remove_unix(listener->path, &listener->made);
	mem_free(TAKE(listener->path));
	close(listener->fd);
	listener->fd = -1;
}

void listener_quiesce(struct listener *listener)
{
	MHD_quiesce_daemon(listener->daemon);
	forget_socket(listener);
}

void listener_stop(struct listener *listener)
{
	if (listener->has_poll)
		uv_poll_stop(&listener->poll);
	if (listener->daemon != NULL) {
		if (listener->fd >= 0) /* or else it would close our socket */
			MHD_quiesce_daemon(listener->daemon);
		MHD_stop_daemon(listener->daemon);
	}
	listener->daemon = NULL;
	forget_socket(listener);
}
