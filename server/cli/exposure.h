/*
 * exposure: who could come in, and whether that was meant.
 *
 * A server without tokens does what anybody says who reaches it. On loopback that is who is on
 * the machine already; anywhere else it has to be asked for in words,
 * unless only those come in who have a certificate.
 */
#ifndef LEAT_CLI_EXPOSURE_H
#define LEAT_CLI_EXPOSURE_H

#include <stdbool.h>

#include "base/error.h"
#include "cli/places.h"
#include "cli/settings.h"

/* An address of loopback, or localhost. Of other names nobody knows. */
bool host_is_loopback(const char *host);
/* ERR_BAD_REQUEST, with what to do. */
int exposure_check(
	const struct settings *settings, const struct places *places, struct error *err);
/* No core file has what only this process should know, unless core-dumps says so. */
void exposure_forbid_cores(const struct settings *settings);

#endif
