/*
 * hosts: whom the operator lets the server talk to.
 *
 * Two lists. `hosts` are the names that a URL may have: "api.example.com", "*.example.com",
 * "127.0.0.1:8081", "[::1]:80", "https://host", "*"; without a port the scheme's own is meant,
 * ":*" is any. `networks` are addresses that names may resolve to beside the public ones: what
 * is private, loopback, link-local (a cloud's metadata), multicast or reserved is refused
 * unless it is listed there, or the host itself was listed as that literal address.
 *
 * The second list is asked at the moment of connecting, about the address that is connected
 * to: a name that resolves to something else a moment later has no chance.
 */
#ifndef LEAT_CALL_HOSTS_H
#define LEAT_CALL_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "stage.h"

struct sockaddr;

struct host_rule {
	char *scheme;  /* NULL: http and https */
	char *name;    /* lower case; of "*.a.b" it is ".a.b", of "*" it is "" */
	bool below;    /* all names that end so */
	unsigned port; /* 0: the scheme's own */
	bool any_port;
};

/* An address as sixteen bytes; IPv4 as ::ffff:a.b.c.d. */
struct address {
	uint8_t bytes[16];
};
struct network {
	struct address address;
	unsigned bits; /* of the sixteen bytes */
};

struct hosts {
	struct host_rule *rules;
	size_t rule_count;
	struct network *networks;
	size_t network_count;
};

/* From two JSON arrays of strings; stage_fail() says what is wrong, with "/hosts/0: …". */
enum stage_result hosts_read(struct hosts *hosts, const char *hosts_json,
	const char *networks_json, struct stage_ctx *ctx);
void hosts_done(struct hosts *hosts);

/* Where a request goes: what of its URL was checked. */
struct target {
	char host[256];   /* lower case, without brackets */
	char origin[300]; /* "https://host:443", to compare */
	unsigned port;
	bool literal; /* the host is an address that is listed as such */
	struct address address;
};

/* May the URL be asked for? NULL when it may and *ret is filled, else why not (a text for
 * people, in `why`); hosts_no_memory where that could not be found out. */
extern const char hosts_no_memory[];
const char *hosts_check(
	const struct hosts *hosts, CURLU *url, struct target *ret, char *why, size_t why_size);
/* May this be connected to for that target? Writes it to `shown`, INET6_ADDRSTRLEN bytes. */
bool hosts_allow_address(const struct hosts *hosts, const struct target *target,
	const struct sockaddr *address, char *shown);
/* Does the list (with the same grammar) name the target? For secrets. */
bool hosts_name(const struct hosts *hosts, const struct target *target);

#endif
