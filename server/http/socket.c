#include "http/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

static uint16_t port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} at = { .in6 = { 0 } };
	socklen_t len = sizeof(at);

	if (getsockname(fd, &at.any, &len) < 0)
		return 0;
	return ntohs(at.any.sa_family == AF_INET6 ? at.in6.sin6_port : at.in.sin_port);
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
