/*
 * places: where the server listens and with what certificates, from the settings and from
 * whoever started it.
 *
 * Sockets that were handed over take the place of the setting `listen`.
 *
 * Thread: one, before there are others.
 */
#ifndef LEAT_CLI_PLACES_H
#define LEAT_CLI_PLACES_H

#include <stdbool.h>

#include "cli/settings.h"
#include "http/place.h"

struct places {
	struct http_place all[PLACES_MAX];
	unsigned count;
	bool handed;
};

/* ERR_BAD_REQUEST says which setting is wrong. */
int places_init(struct places *places, const struct settings *settings, struct error *err);
/* The texts stay those of the settings. */
int places_tls(const struct settings *settings, struct tls_config *ret, struct error *err);

#endif
