#include "http/peers.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/exposition.h"

#define REFUSED_MS 2000u /* how long one that is to be refused may take to ask */

static const char too_late[] =
	"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
	"Content-Type: application/problem+json\r\n\r\n"
	"{\"type\":\"/problems/too-slow\",\"title\":\"Too slow\",\"status\":408,"
	"\"detail\":\"the head of a request must be here within header-ms; send it at once\","
	"\"instance\":\"/\"}\n";

void peers_init(struct peers *peers, const struct peers_bounds *bounds)
{
	*peers = (struct peers){ .bounds = *bounds };
	list_init(&peers->fresh);
	list_init(&peers->idle);
	list_init(&peers->refused);
	address_book_init(&peers->book);
}

/* ---- the socket ---- */

static bool tcp_look(const struct peer *peer, struct tcp_info *ret)
{
	socklen_t len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	return getsockopt(peer->fd, IPPROTO_TCP, TCP_INFO, ret, &len) == 0;
}

static bool has_said_something(const struct peer *peer)
{
	struct tcp_info info;

	return tcp_look(peer, &info) && info.tcpi_bytes_received > 0;
}

uint64_t peer_taken(const struct peer *peer, uint64_t sent)
{
	struct tcp_info info;
	int waiting = 0;

	if (tcp_look(peer, &info))
		return info.tcpi_bytes_acked;
	if (ioctl(peer->fd, SIOCOUTQ, &waiting) < 0)
		waiting = 0;
	return sent - MIN(sent, (uint64_t)waiting);
}

static void hang_up(const struct peer *peer)
{
	shutdown(peer->fd, SHUT_RDWR); /* the library notices, and ends it */
}

void peer_cut(struct peer *peer)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	hang_up(peer);
}

/* ---- life ---- */

static const union MHD_ConnectionInfo *ask(
	struct MHD_Connection *connection, enum MHD_ConnectionInfoType what)
{
	return MHD_get_connection_info(connection, what);
}

static bool find_address(struct peer *peer, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		ask(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct address_key key;

	if (info == NULL || !address_key_of(info->client_addr, &key))
		return true;
	peer->address = address_hold(&peer->peers->book, &key);
	return peer->address != NULL;
}

static void owe(struct peer *peer, struct list *list)
{
	peer->since_ns = clock_mono_ns();
	list_remove(&peer->link);
	list_append(list, &peer->link);
}

static void weigh(struct peer *peer)
{
	struct peers *peers = peer->peers;

	if (peers->connected > peers->bounds.connections_max) {
		peer->bound = PEER_TOO_MANY;
		peers->refused_total++;
	} else if (peer->address != NULL &&
		   peer->address->holders > peers->bounds.per_address) {
		peer->bound = PEER_TOO_MANY_THERE;
		peers->refused_address++;
	}
}

static void refuse(struct peer *peer)
{
	struct peers *peers = peer->peers;

	if (peers->waiting++ < PEERS_SPARE) {
		owe(peer, &peers->refused);
		return;
	}
	peers->cut++;
	hang_up(peer);
}

struct peer *peer_new(struct peers *peers, struct MHD_Connection *connection)
{
	int fd = ask(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	struct peer *peer = mem_zalloc(sizeof(*peer));

	if (peer == NULL) {
		shutdown(fd, SHUT_RDWR);
		return NULL;
	}
	peer->peers = peers;
	peer->fd = fd;
	list_init(&peer->link);
	peer->plain = ask(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION) == NULL;
	peers->connected++;
	if (!find_address(peer, connection)) {
		hang_up(peer);
		return peer;
	}
	weigh(peer);
	if (peer->bound == PEER_WELCOME)
		owe(peer, &peers->fresh);
	else
		refuse(peer);
	return peer;
}

void peer_free(struct peer *peer)
{
	if (peer == NULL)
		return;
	if (peer->bound != PEER_WELCOME)
		peer->peers->waiting--;
	peer->peers->connected--;
	list_remove(&peer->link);
	address_release(peer->address);
	mem_free(peer);
}

void peer_busy(struct peer *peer)
{
	if (peer != NULL)
		list_remove(&peer->link);
}

void peer_idle(struct peer *peer)
{
	if (peer != NULL)
		owe(peer, &peer->peers->idle);
}

int peer_check(const struct peer *peer, struct error *err)
{
	const struct peers_bounds *bounds;

	if (peer == NULL || peer->bound == PEER_WELCOME)
		return 0;
	bounds = &peer->peers->bounds;
	if (peer->bound == PEER_TOO_MANY)
		return error_set(err, ERR_BUSY,
			"there are %u connections, as many as connections-max allows; close "
			"some, or try again later",
			bounds->connections_max);
	return error_set(err, ERR_BUSY,
		"there are %u connections from your address, as many as "
		"connections-per-address allows; close some, or use those again",
		bounds->per_address);
}

/* ---- deadlines ---- */

static void tell_late(const struct peer *peer)
{
	if (peer->plain &&
		send(peer->fd, too_late, sizeof(too_late) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return; /* who takes nothing is told nothing */
}

/* It may be the rest of the head; the loop has had no time to look. */
static bool has_unread(const struct peer *peer)
{
	int waiting = 0;

	return ioctl(peer->fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

/* An idle one that says nothing at all has been closed by the library before. */
static void close_late(struct list *list, uint64_t allowed_ms, uint64_t now_ns)
{
	LIST_EACH(list, link)
	{
		struct peer *peer = LIST_ENTRY(link, struct peer, link);

		if (peer->since_ns + allowed_ms * NS_PER_MS > now_ns)
			return;
		if (has_unread(peer))
			continue;
		list_remove(&peer->link);
		if (has_said_something(peer)) {
			peer->peers->slow_heads++;
			tell_late(peer);
		}
		hang_up(peer);
	}
}

void peers_tick(struct peers *peers, uint64_t now_ns)
{
	const struct peers_bounds *bounds = &peers->bounds;

	close_late(&peers->refused, REFUSED_MS, now_ns);
	if (bounds->header_ms == 0)
		return;
	close_late(&peers->fresh, bounds->header_ms, now_ns);
	if (bounds->idle_timeout_s > 0)
		close_late(&peers->idle,
			(uint64_t)bounds->idle_timeout_s * 1000 + bounds->header_ms, now_ns);
}

/* ---- metrics ---- */

static void write_refused(const struct peers *peers, struct exposition *to)
{
	exposition_family(to, "leat_http_connections_refused_total", "counter",
		"Connections over a bound: answered by 503, or closed without an answer.");
	exposition_count(to, LABELS({ "bound", "connections-max" }), peers->refused_total);
	exposition_count(
		to, LABELS({ "bound", "connections-per-address" }), peers->refused_address);
	exposition_family(to, "leat_http_connections_cut_total", "counter",
		"Of the refused connections, those that were closed without an answer.");
	exposition_count(to, NULL, peers->cut);
}

static void write_slow(const struct peers *peers, struct exposition *to)
{
	exposition_family(to, "leat_http_too_slow_total", "counter",
		"Connections ended because the client was too slow: to send a request's head "
		"(header-ms), its body, or to take its reply (min-rate).");
	exposition_count(to, LABELS({ "in", "head" }), peers->slow_heads);
	exposition_count(to, LABELS({ "in", "body" }), peers->slow_bodies);
	exposition_count(to, LABELS({ "in", "reply" }), peers->slow_replies);
}

void peers_write(const struct peers *peers, struct exposition *to)
{
	exposition_family(to, "leat_http_connections", "gauge", "Open connections.");
	exposition_count(to, NULL, peers->connected);
	exposition_family(to, "leat_http_connections_per_address", "gauge",
		"Open connections of the address that has most of them.");
	exposition_count(to, NULL, address_book_most(&peers->book));
	write_refused(peers, to);
	write_slow(peers, to);
}
