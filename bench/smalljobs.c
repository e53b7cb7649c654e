/*
 * smalljobs PORT CLIENTS JOBS: how many tiny durable jobs a second, over keep-alive.
 * smalljobs --latency PORT ITEMS: one item in, its result out, one at a time, on one job.
 *
 * One thread and one epoll, so that the client takes little of what the server is measured
 * by. A small job is three requests on one connection: define it (`pass`), send one item
 * with close=true, read its results with follow=true until they end. The answer is checked
 * each time. Prints one JSON line: the rate, p50 and p99 in microseconds.
 *
 * Latency: one connection follows the results of an open job, another sends one item; the
 * time runs from the sending to the arrival of that item's result, all of it kept on disk.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	REPLY_BYTES_MAX = 64 * 1024,
	REQUEST_BYTES_MAX = 1024,
	JOB_ID_MAX = 64,
	CLIENTS_MAX = 1000,
};

#define DEFINITION "{\"stages\":[{\"use\":\"pass\"}]}"

enum step { DEFINE, SEND, READ };

struct client {
	int fd;
	enum step step;
	unsigned number;
	char job[JOB_ID_MAX];
	double began_us;
	size_t length;
	char reply[REPLY_BYTES_MAX + 1];
};

struct reply {
	int status;
	size_t size; /* of all of it on the wire */
	size_t body_length;
	char body[REPLY_BYTES_MAX + 1];
};

struct samples {
	double *us;
	size_t count;
};

static void __attribute__((format(printf, 1, 2), noreturn)) die(const char *format, ...)
{
	va_list args;

	fputs("smalljobs: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int connect_to(unsigned short port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("port %u: %s", port, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* --- requests --------------------------------------------------------------- */

static void send_request(int fd, const char *method, const char *target, const char *body)
{
	char text[REQUEST_BYTES_MAX];
	int length = snprintf(text, sizeof(text),
		"%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: "
		"%zu\r\n\r\n%s",
		method, target,
		strcmp(body, DEFINITION) == 0 ? "application/json" : "application/x-ndjson",
		strlen(body), body);

	if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length)
		die("send: %s", strerror(errno));
}

static void item_of(const struct client *client, char *ret_text, size_t room)
{
	snprintf(ret_text, room, "{\"id\":%u,\"qty\":3,\"text\":\"one item\"}\n",
		client->number);
}

/* --- replies ---------------------------------------------------------------- */

/* Takes chunks apart; returns what follows the last one, or NULL if more must come. */
static const char *read_chunks(const char *at, const char *end, struct reply *ret_reply)
{
	ret_reply->body_length = 0;
	for (;;) {
		const char *line = memmem(at, (size_t)(end - at), "\r\n", 2);
		size_t size = strtoul(at, NULL, 16);

		if (line == NULL)
			return NULL;
		if (size == 0) { /* trailers, if any, end with an empty line */
			line = memmem(line, (size_t)(end - line), "\r\n\r\n", 4);
			return line ? line + 4 : NULL;
		}
		at = line + 2;
		if ((size_t)(end - at) < size + 2)
			return NULL;
		memcpy(ret_reply->body + ret_reply->body_length, at, size);
		ret_reply->body_length += size;
		at += size + 2;
	}
}

static const char *find_header(const char *headers, const char *end, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = headers; at < end; at++)
		if (*at == '\n' && strncasecmp(at + 1, name, length) == 0)
			return at + 1 + length;
	return NULL;
}

/* True once a whole reply stands in the client's buffer. */
static bool parse_reply(const struct client *client, struct reply *ret_reply)
{
	const char *end = client->reply + client->length, *after;
	const char *headers_end = memmem(client->reply, client->length, "\r\n\r\n", 4);
	const char *length;

	if (headers_end == NULL ||
		sscanf(client->reply, "HTTP/1.1 %d", &ret_reply->status) != 1)
		return false;
	after = headers_end + 4;
	length = find_header(client->reply, headers_end, "content-length:");
	if (length != NULL) {
		ret_reply->body_length = strtoul(length, NULL, 10);
		if ((size_t)(end - after) < ret_reply->body_length)
			return false;
		memcpy(ret_reply->body, after, ret_reply->body_length);
		after += ret_reply->body_length;
	} else {
		after = read_chunks(after, end, ret_reply);
		if (after == NULL)
			return false;
	}
	ret_reply->body[ret_reply->body_length] = '\0';
	ret_reply->size = (size_t)(after - client->reply);
	return true;
}

static void receive(struct client *client)
{
	ssize_t n = recv(client->fd, client->reply + client->length,
		REPLY_BYTES_MAX - client->length, 0);

	if (n <= 0)
		die("the connection ended: %s",
			n < 0 ? strerror(errno) : "closed by the server");
	client->length += (size_t)n;
	client->reply[client->length] = '\0';
}

static void forget(struct client *client, size_t size)
{
	client->length -= size;
	memmove(client->reply, client->reply + size, client->length);
}

static void expect(const struct reply *reply, bool good)
{
	if (reply->status / 100 != 2 || !good)
		die("unexpected answer %d: %s", reply->status, reply->body);
}

static bool took_one(const struct reply *reply)
{
	const char *accepted = strstr(reply->body, "\"accepted\":");
	int count;

	return accepted != NULL && sscanf(accepted, "\"accepted\": %d", &count) == 1 &&
	       count == 1;
}

static void keep_id(struct client *client, const struct reply *reply)
{
	const char *id = strstr(reply->body, "\"id\":");

	expect(reply, id != NULL && sscanf(id, "\"id\": \"%63[^\"]", client->job) == 1);
}

/* --- small jobs ------------------------------------------------------------- */

static void begin(struct client *client)
{
	client->step = DEFINE;
	client->began_us = now_us();
	send_request(client->fd, "POST", "/v1/jobs", DEFINITION);
}

/* One reply has come: the next request; true when the job is through. */
static bool advance(struct client *client, const struct reply *reply)
{
	char target[REQUEST_BYTES_MAX / 2], item[128];

	item_of(client, item, sizeof(item));
	switch (client->step) {
	case DEFINE:
		keep_id(client, reply);
		snprintf(target, sizeof(target), "/v1/jobs/%s/items?close=true", client->job);
		send_request(client->fd, "POST", target, item);
		client->step = SEND;
		return false;
	case SEND:
		expect(reply, took_one(reply));
		snprintf(
			target, sizeof(target), "/v1/jobs/%s/results?follow=true", client->job);
		send_request(client->fd, "GET", target, "");
		client->step = READ;
		return false;
	case READ:
		expect(reply, strcmp(reply->body, item) == 0);
		return true;
	}
	return true;
}

static void run_jobs(
	unsigned short port, unsigned clients, size_t jobs, struct samples *samples)
{
	struct client *all = calloc(clients, sizeof(*all));
	struct epoll_event events[64];
	struct reply *reply = malloc(sizeof(*reply));
	int epoll = epoll_create1(0);
	size_t begun = 0;

	if (all == NULL || reply == NULL || epoll < 0)
		die("set-up: %s", strerror(errno));
	for (unsigned i = 0; i < clients; i++, begun++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &all[i] };

		all[i].fd = connect_to(port);
		all[i].number = i;
		epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
		begin(&all[i]);
	}
	while (samples->count < jobs) {
		int n = epoll_wait(epoll, events, 64, 30000);

		if (n <= 0)
			die("no answer for 30 s, %zu of %zu jobs done", samples->count, jobs);
		for (int i = 0; i < n; i++) {
			struct client *client = events[i].data.ptr;

			receive(client);
			if (!parse_reply(client, reply))
				continue;
			forget(client, reply->size);
			if (!advance(client, reply))
				continue;
			samples->us[samples->count++] = now_us() - client->began_us;
			if (begun++ < jobs)
				begin(client);
		}
	}
	for (unsigned i = 0; i < clients; i++)
		close(all[i].fd);
	close(epoll);
	free(reply);
	free(all);
}

/* --- latency ---------------------------------------------------------------- */

static void read_reply(struct client *client, struct reply *reply)
{
	while (!parse_reply(client, reply))
		receive(client);
	forget(client, reply->size);
}

static void run_latency(unsigned short port, size_t items, struct samples *samples)
{
	struct client *sender = calloc(1, sizeof(*sender));
	struct client *reader = calloc(1, sizeof(*reader));
	struct reply *reply = malloc(sizeof(*reply));
	char target[REQUEST_BYTES_MAX / 2], item[128];

	if (sender == NULL || reader == NULL || reply == NULL)
		die("memory");
	sender->fd = connect_to(port);
	reader->fd = connect_to(port);
	begin(sender);
	read_reply(sender, reply);
	keep_id(sender, reply);
	snprintf(target, sizeof(target), "/v1/jobs/%s/results?follow=true", sender->job);
	send_request(reader->fd, "GET", target, "");
	snprintf(target, sizeof(target), "/v1/jobs/%s/items", sender->job);
	while (samples->count < items) {
		double began_us = now_us();

		sender->number = (unsigned)samples->count;
		item_of(sender, item, sizeof(item));
		send_request(sender->fd, "POST", target, item);
		while (strstr(reader->reply, item) == NULL)
			receive(reader);
		samples->us[samples->count++] = now_us() - began_us;
		forget(reader, reader->length);
		reader->reply[0] = '\0';
		read_reply(sender, reply);
		expect(reply, took_one(reply));
	}
	close(sender->fd);
	close(reader->fd);
	free(reply);
	free(reader);
	free(sender);
}

/* --- the answer ------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const struct samples *samples, double took_us)
{
	qsort(samples->us, samples->count, sizeof(*samples->us), compare);
	printf("{\"count\":%zu,\"per_second\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%."
	       "0f}\n",
		samples->count, (double)samples->count / took_us * 1e6,
		samples->us[samples->count / 2], samples->us[samples->count * 99 / 100],
		samples->us[samples->count - 1]);
}

int main(int argc, char **argv)
{
	bool latency = argc == 4 && strcmp(argv[1], "--latency") == 0;
	unsigned long port = argc == 4 ? strtoul(argv[latency ? 2 : 1], NULL, 10) : 0;
	unsigned long clients = argc == 4 && !latency ? strtoul(argv[2], NULL, 10) : 1;
	unsigned long count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	struct samples samples = { 0 };
	double began_us;

	if (port < 1 || port > 65535 || clients < 1 || clients > CLIENTS_MAX ||
		count < clients) {
		fprintf(stderr, "usage: smalljobs PORT CLIENTS JOBS\n"
				"       smalljobs --latency PORT ITEMS\n");
		return 2;
	}
	samples.us = calloc(count + CLIENTS_MAX, sizeof(double));
	if (samples.us == NULL)
		die("memory");
	began_us = now_us();
	if (latency)
		run_latency((unsigned short)port, count, &samples);
	else
		run_jobs((unsigned short)port, (unsigned)clients, count, &samples);
	print(&samples, now_us() - began_us);
	free(samples.us);
	return 0;
}
