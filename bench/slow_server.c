/*
 * slow-server MS: an HTTP server that answers every GET after MS milliseconds.
 *
 * What the stage `http` and wrk call in bench/run: one thread and one epoll, so that the
 * server takes little of the two cores that its clients are measured on. Prints its port,
 * serves keep-alive connections until its standard input ends, then prints one JSON line:
 * the requests, the most connections there were at once, its own CPU time.
 *
 * Every answer waits equally long, so those that wait are a queue. A request is its head
 * (GET has no body), and one connection has one request under way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	FDS_MAX = 65536,
	EVENTS_MAX = 256,
	BACKLOG = 16384,
	READ_BYTES = 8192,
	DELAY_MS_MAX = 60000,
};

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			     "Content-Length: 11\r\n\r\n{\"ok\":true}";
static const char head_end[] = "\r\n\r\n";

struct wait {
	uint64_t due_us;
	uint32_t generation; /* of the connection: its number may be another's by now */
	int fd;
};

struct connection {
	uint32_t generation;
	unsigned matched; /* characters of the head's end that were read */
	bool waits;
};

struct server {
	int epoll;
	int listener;
	uint64_t delay_us;
	uint64_t requests;
	unsigned open;
	unsigned open_most;
	size_t first; /* the queue runs around; a connection has at most one live place in it */
	size_t waiting;
	struct wait queue[2 * FDS_MAX];
	struct connection connections[FDS_MAX];
};

static struct server server;

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void watch(int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl");
}

static int listen_somewhere(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
		listen(fd, BACKLOG) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		die("listen");
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void drop(int fd)
{
	server.connections[fd].generation++;
	server.connections[fd].waits = false;
	server.connections[fd].matched = 0;
	server.open--;
	close(fd);
}

static void accept_all(void)
{
	int fd, on = 1;

	while ((fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (fd >= FDS_MAX) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		watch(fd);
		if (++server.open > server.open_most)
			server.open_most = server.open;
	}
	if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		die("accept");
}

static bool head_ended(struct connection *connection, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == head_end[connection->matched])
			connection->matched++;
		else
			connection->matched = text[i] == head_end[0];
		if (connection->matched == sizeof(head_end) - 1) {
			connection->matched = 0;
			return true;
		}
	}
	return false;
}

/* Who leaves with an answer due leaves its place behind; too many of those end the server. */
static void answer_later(int fd)
{
	const size_t places = sizeof(server.queue) / sizeof(server.queue[0]);
	struct connection *connection = &server.connections[fd];

	if (server.waiting == places) {
		fputs("slow-server: too many requests wait\n", stderr);
		exit(1);
	}
	server.queue[(server.first + server.waiting++) % places] =
		(struct wait){ .due_us = now_us() + server.delay_us,
			.generation = connection->generation,
			.fd = fd };
	connection->waits = true;
}

static void read_request(int fd)
{
	struct connection *connection = &server.connections[fd];
	char text[READ_BYTES];
	ssize_t got = read(fd, text, sizeof(text));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0 || connection->waits) /* the end, or a second request: not served here */
		drop(fd);
	else if (head_ended(connection, text, (size_t)got))
		answer_later(fd);
}

static void answer_due(uint64_t now)
{
	const size_t places = sizeof(server.queue) / sizeof(server.queue[0]);

	while (server.waiting > 0 && server.queue[server.first].due_us <= now) {
		struct wait wait = server.queue[server.first];
		struct connection *connection = &server.connections[wait.fd];

		server.first = (server.first + 1) % places;
		server.waiting--;
		if (connection->generation != wait.generation)
			continue;
		connection->waits = false;
		server.requests++;
		if (send(wait.fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) !=
			(ssize_t)sizeof(answer) - 1)
			drop(wait.fd);
	}
}

static int until_due_ms(void)
{
	uint64_t now = now_us();
	uint64_t due = server.queue[server.first].due_us;

	if (server.waiting == 0)
		return -1;
	return due <= now ? 0 : (int)((due - now + 999) / 1000);
}

static void serve(void)
{
	struct epoll_event events[EVENTS_MAX];

	for (;;) {
		int count = epoll_wait(server.epoll, events, EVENTS_MAX, until_due_ms());

		if (count < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == STDIN_FILENO)
				return;
			if (events[i].data.fd == server.listener)
				accept_all();
			else
				read_request(events[i].data.fd);
		}
		answer_due(now_us());
	}
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	char *end = NULL;
	long delay_ms = argc == 2 ? strtol(argv[1], &end, 10) : -1;
	struct rusage usage;

	if (delay_ms < 0 || delay_ms > DELAY_MS_MAX || end == argv[1] || *end != '\0') {
		fprintf(stderr, "usage: slow-server MS (0 to %d)\n", DELAY_MS_MAX);
		return 2;
	}
	server.delay_us = (uint64_t)delay_ms * 1000;
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server.epoll < 0)
		die("epoll_create1");
	server.listener = listen_somewhere();
	watch(server.listener);
	watch(STDIN_FILENO);
	serve();
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"requests\":%llu,\"connections\":%u,\"cpu_s\":%.3f}\n",
		(unsigned long long)server.requests, server.open_most,
		seconds(usage.ru_utime) + seconds(usage.ru_stime));
	return 0;
}
