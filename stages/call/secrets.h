/*
 * secrets: texts that the operator has named in stages.d/http.json, for templates to refer to
 * as {$secret:NAME}. Only the request that is sent holds them: a reply that echoes one gets it
 * blanked out before anybody sees it, and no message of ours has ever held one.
 *
 *	"secrets": {
 *		"token": {"$env": "API_TOKEN"},
 *		"other": {"value": {"$file": "/etc/key"}, "hosts": ["api.example.com"]}
 *	}
 *
 * With `hosts` a secret goes to those only, and not to others that are allowed, too.
 */
#ifndef LEAT_CALL_SECRETS_H
#define LEAT_CALL_SECRETS_H

#include "call/hosts.h"

struct secret {
	char *name, *value;
	size_t len;
	/* As it stands in JSON, in JSON inside of JSON, and in a URL; NULL where it is the
	 * same. */
	char *escaped, *escaped_twice, *encoded;
	bool bound;
	struct hosts hosts;
};

struct secrets {
	struct secret *items;
	size_t count;
};

enum stage_result secrets_read(
	struct secrets *secrets, const char *json, struct stage_ctx *ctx);
void secrets_done(struct secrets *secrets);
const struct secret *secrets_find(const struct secrets *secrets, const char *name, size_t len);

/* May it be sent there? */
bool secret_allows(const struct secret *secret, const struct target *target);
/* Overwrite it with asterisks wherever it stands in these bytes. */
void secret_blank(const struct secret *secret, char *bytes, size_t len);

#endif
