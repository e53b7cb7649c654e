#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/socket.h"

#define BACKLOG 4096

static int say(
	const char *path, const char *what, int why, enum error_code code, struct error *err)
{
	return error_set(err, code, "cannot %s unix:%.200s: %s", what, path, strerror(why));
}

static int address_of(const char *path, struct sockaddr_un *ret, struct error *err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return error_set(err, ERR_BAD_REQUEST,
			"unix:%.200s: the path of a Unix socket has at most %zu bytes", path,
			sizeof(ret->sun_path) - 1);
	strcpy(ret->sun_path, path);
	return 0;
}

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* A socket whose server has died refuses; one with a full backlog does not, and lives. */
static bool nobody_answers(const struct sockaddr_un *at)
{
	int fd = new_socket();
	bool refused;

	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 &&
		  errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Out of the way with what a killed server has left; only that. */
static int clear_the_way(const struct sockaddr_un *at, struct error *err)
{
	const char *path = at->sun_path;
	struct stat before, now;

	if (lstat(path, &before) < 0)
		return errno == ENOENT ? 0 : say(path, "look at", errno, ERR_BAD_REQUEST, err);
	if (!S_ISSOCK(before.st_mode))
		return error_set(err, ERR_BUSY,
			"cannot listen on unix:%.200s: something else than a socket lies there",
			path);
	if (!nobody_answers(at))
		return error_set(err, ERR_BUSY,
			"cannot listen on unix:%.200s: another server listens there", path);
	if (lstat(path, &now) == 0 && is_same(&before, &now) && unlink(path) < 0)
		return say(path, "take over", errno, ERR_BAD_REQUEST, err);
	return 0;
}

static int bind_unix(
	int fd, const struct sockaddr_un *at, const struct http_place *place, struct error *err)
{
	const char *path = at->sun_path;

	/* Linux makes the file with the mode of the socket: it is never open to more. */
	fchmod(fd, place->mode);
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0)
		return say(path, "listen on", errno,
			errno == EADDRINUSE ? ERR_BUSY : ERR_BAD_REQUEST, err);
	if ((place->group != (gid_t)-1 && chown(path, (uid_t)-1, place->group) < 0) ||
		chmod(path, place->mode) < 0 || listen(fd, BACKLOG) < 0) {
		say(path, "set up", errno, ERR_BAD_REQUEST, err);
		unlink(path);
		return -1;
	}
	return 0;
}

int socket_listen_unix(const struct http_place *place, int *ret_fd, struct error *err)
{
	struct sockaddr_un at;
	int fd;

	if (address_of(place->text, &at, err) < 0 || clear_the_way(&at, err) < 0)
		return -1;
	fd = new_socket();
	if (fd < 0)
		return say(place->text, "open a socket for", errno, ERR_INTERNAL, err);
	if (bind_unix(fd, &at, place, err) < 0) {
		close(fd);
		return -1;
	}
	*ret_fd = fd;
	return 0;
}

void socket_remove_unix(const char *path, const struct stat *made)
{
	struct stat now;

	if (lstat(path, &now) == 0 && is_same(made, &now))
		unlink(path);
}
