#include "cli/places.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/handed.h"
#include "cli/listen.h"
#include "job/text.h"

/* ---- Unix sockets ---- */

static int read_mode(const char *text, mode_t *ret, struct error *err)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (*text == '\0' || *end != '\0' || mode > 0777 || strspn(text, "01234567") == 0)
		return error_set(err, ERR_BAD_REQUEST,
			"unix-mode: '%.20s' is no mode of a file, such as 0660", text);
	*ret = (mode_t)mode;
	return 0;
}

static int read_group(const char *text, gid_t *ret, struct error *err)
{
	const struct group *group;
	unsigned long long number;

	*ret = (gid_t)-1;
	if (*text == '\0')
		return 0;
	if (text_to_uint(text, (gid_t)-2, &number)) {
		*ret = (gid_t)number;
		return 0;
	}
	group = getgrnam(text);
	if (group == NULL)
		return error_set(err, ERR_BAD_REQUEST,
			"unix-group: there is no group '%.60s' on this machine", text);
	*ret = group->gr_gid;
	return 0;
}

/* ---- places ---- */

static int parse_listen(
	struct places *places, const struct settings *settings, struct error *err)
{
	struct error why;
	mode_t mode = 0;
	gid_t group = (gid_t)-1;

	if (read_mode(settings->unix_mode, &mode, err) < 0 ||
		read_group(settings->unix_group, &group, err) < 0)
		return -1;
	if (listen_parse_places(
		    settings->listen, mode, group, places->all, &places->count, &why) < 0)
		return error_set(err, ERR_BAD_REQUEST, "listen: %s", why.text);
	return 0;
}

int places_init(struct places *places, const struct settings *settings, struct error *err)
{
	*places = (struct places){ 0 };
	if (handed_take(PLACES_MAX, &places->count, err) < 0)
		return -1;
	places->handed = places->count > 0;
	if (!places->handed)
		return parse_listen(places, settings, err);
	for (unsigned at = 0; at < places->count; at++)
		places->all[at] = (struct http_place){ .kind = PLACE_HANDED,
			.fd = HANDED_FIRST + (int)at };
	return 0;
}

/* ---- certificates ---- */

static const char *file(const char *text)
{
	return *text == '\0' ? NULL : text;
}

int places_tls(const struct settings *settings, struct tls_config *ret, struct error *err)
{
	*ret = (struct tls_config){ .cert = file(settings->tls_cert),
		.key = file(settings->tls_key),
		.client_ca = file(settings->tls_client_ca),
		.client_must = strcmp(settings->tls_client, "required") == 0 };
	if ((ret->cert == NULL) != (ret->key == NULL))
		return error_set(err, ERR_BAD_REQUEST,
			"tls-cert and tls-key belong together; %s is not set",
			ret->cert == NULL ? "tls-cert" : "tls-key");
	if (ret->client_ca != NULL && ret->cert == NULL)
		return error_set(err, ERR_BAD_REQUEST,
			"tls-client-ca asks clients for certificates, which takes TLS: set "
			"tls-cert and tls-key, too");
	return 0;
}
