#include "http/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

#define BACKLOG 4096
#define SPARE   256 /* descriptors for everything that is not a client */

static void free_addresses(struct addrinfo **list)
{
	if (*list != NULL)
		freeaddrinfo(*list);
}

static int say_failed(
	const char *address, uint16_t port, const char *what, int why, struct error *err)
{
	enum error_code code = why == EADDRINUSE                       ? ERR_BUSY
			       : why == EADDRNOTAVAIL || why == EACCES ? ERR_BAD_REQUEST
								       : ERR_INTERNAL;

	return error_set(
		err, code, "cannot %s %s port %u: %s", what, address, port, strerror(why));
}

static int bind_and_listen(int fd, const struct addrinfo *to)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (to->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int));
	if (bind(fd, to->ai_addr, to->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

static socklen_t address_of(int fd, union address *ret)
{
	socklen_t len = sizeof(*ret);

	*ret = (union address){ .un = { .sun_family = AF_UNSPEC } };
	return getsockname(fd, &ret->any, &len) < 0 ? 0 : len;
}

static uint16_t port_of(int fd)
{
	union address at;

	address_of(fd, &at);
	return at.any.sa_family == AF_INET6  ? ntohs(at.in6.sin6_port)
	       : at.any.sa_family == AF_INET ? ntohs(at.in.sin_port)
					     : 0;
}

int socket_listen(
	const char *address, uint16_t port, int *ret_fd, uint16_t *ret_port, struct error *err)
{
	_cleanup_(free_addresses) struct addrinfo *list = NULL;
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	char service[8];
	int fd, result;

	snprintf(service, sizeof(service), "%u", port);
	result = getaddrinfo(address, service, &hints, &list);
	if (result != 0)
		return error_set(err, ERR_BAD_REQUEST, "cannot listen on '%.200s': %s", address,
			gai_strerror(result));
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return say_failed(address, port, "open a socket for", errno, err);
	result = bind_and_listen(fd, list);
	if (result < 0) {
		close(fd);
		return say_failed(address, port, "listen on", -result, err);
	}
	*ret_fd = fd;
	*ret_port = port_of(fd);
	return 0;
}

/* ---- sockets that others have opened ---- */

static int option_of(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

int socket_take_handed(int fd, bool *ret_unix, uint16_t *ret_port, struct error *err)
{
	int family = option_of(fd, SO_DOMAIN);

	if (option_of(fd, SO_ACCEPTCONN) != 1 || option_of(fd, SO_TYPE) != SOCK_STREAM ||
		(family != AF_INET && family != AF_INET6 && family != AF_UNIX))
		return error_set(err, ERR_BAD_REQUEST,
			"descriptor %d, which was handed over, is no listening stream socket",
			fd);
	/* The flag that it does not block is shared with who holds it, who only holds it. */
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return error_set(err, ERR_INTERNAL, "descriptor %d cannot be set up: %s", fd,
			strerror(errno));
	*ret_unix = family == AF_UNIX;
	*ret_port = port_of(fd);
	return 0;
}

void socket_name(int fd, char *ret, size_t size)
{
	char host[NI_MAXHOST];
	union address at;
	socklen_t len = address_of(fd, &at);

	if (len == 0 ||
		(at.any.sa_family != AF_UNIX && getnameinfo(&at.any, len, host, sizeof(host),
							NULL, 0, NI_NUMERICHOST) != 0))
		snprintf(ret, size, "?");
	else if (at.any.sa_family == AF_UNIX)
		snprintf(ret, size, "unix:%.*s", (int)sizeof(at.un.sun_path), at.un.sun_path);
	else
		snprintf(ret, size, "%s", host);
}

unsigned socket_reserve(unsigned connections)
{
	rlim_t want = (rlim_t)connections + SPARE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return MIN(connections, 512u);
	if (limit.rlim_cur < want) {
		limit.rlim_cur = MIN(want, limit.rlim_max);
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur >= want)
		return connections;
	return limit.rlim_cur > 2 * SPARE ? (unsigned)(limit.rlim_cur - SPARE)
					  : (unsigned)(limit.rlim_cur / 2);
}
