#include "cli/listen.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "job/text.h"

static int bad_listen(const char *text, const char *why, struct error *err)
{
	return error_set(err, ERR_BAD_REQUEST,
		"'%.100s': %s; write HOST:PORT as in 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080, "
		"or unix:/PATH",
		text, why);
}

int listen_parse(const char *text, char ret_host[static LISTEN_HOST_SIZE], uint16_t *ret_port,
	struct error *err)
{
	const char *host = text, *colon = strrchr(text, ':');
	unsigned long long port;
	size_t len;

	if (colon == NULL)
		return bad_listen(text, "the port is missing", err);
	len = (size_t)(colon - host);
	if (host[0] == '[' && len >= 2 && host[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len) != NULL) {
		return bad_listen(text, "an IPv6 address stands in brackets", err);
	}
	if (len == 0)
		return bad_listen(text, "the host is missing", err);
	if (len >= LISTEN_HOST_SIZE)
		return bad_listen(text, "the host is too long", err);
	if (!text_to_uint(colon + 1, 65535, &port))
		return bad_listen(text, "a port is a number from 0 to 65535", err);
	memcpy(ret_host, host, len);
	ret_host[len] = '\0';
	*ret_port = (uint16_t)port;
	return 0;
}

static int parse_unix(const char *text, struct http_place *ret, struct error *err)
{
	const char *path = text + strlen("unix:");

	if (*path == '\0')
		return bad_listen(text, "the path is missing", err);
	ret->kind = PLACE_UNIX;
	strcpy(ret->text, path);
	return 0;
}

static int parse_place(const char *text, size_t len, struct http_place *ret, struct error *err)
{
	char one[PLACE_TEXT_SIZE];

	if (len >= sizeof(one))
		return bad_listen(text, "it is too long", err);
	memcpy(one, text, len);
	one[len] = '\0';
	if (strncmp(one, "unix:", strlen("unix:")) == 0)
		return parse_unix(one, ret, err);
	ret->kind = PLACE_TCP;
	return listen_parse(one, ret->text, &ret->port, err);
}

int listen_parse_places(const char *text, mode_t mode, gid_t group,
	struct http_place ret_places[static PLACES_MAX], unsigned *ret_count, struct error *err)
{
	unsigned count = 0;

	while (true) {
		size_t len = strcspn(text, ",");

		if (count == PLACES_MAX)
			return error_set(err, ERR_BAD_REQUEST, "more than %d places to listen",
				PLACES_MAX);
		ret_places[count] =
			(struct http_place){ .fd = -1, .mode = mode, .group = group };
		if (parse_place(text, len, &ret_places[count++], err) < 0)
			return -1;
		if (text[len] == '\0')
			break;
		text += len + 1;
	}
	*ret_count = count;
	return 0;
}
