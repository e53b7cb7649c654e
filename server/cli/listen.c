#include "cli/listen.h"

#include <stddef.h>
#include <string.h>

#include "job/text.h"

static int bad_listen(const char *text, const char *why, struct error *err)
{
	return error_set(err, ERR_BAD_REQUEST,
		"'%.100s': %s; write HOST:PORT as in 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080",
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
