#include "http/principal.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "job/pointer.h"

static const struct {
	const char *name;
	enum scope scope;
} scopes[] = {
	{ "read", SCOPE_READ },
	{ "submit", SCOPE_SUBMIT },
	{ "operate", SCOPE_OPERATE },
	{ "admin", SCOPE_ADMIN },
};

struct principal *principal_new(const char *name, unsigned mask, json_t *labels)
{
	struct principal *principal = mem_zalloc(sizeof(*principal));

	if (principal == NULL)
		return NULL;
	principal->refs = 1;
	snprintf(principal->name, sizeof(principal->name), "%s", name);
	principal->scopes = mask;
	principal->labels = json_incref(labels);
	return principal;
}

struct principal *principal_ref(struct principal *principal)
{
	principal->refs++;
	return principal;
}

void principal_unref(struct principal *principal)
{
	if (principal == NULL || --principal->refs > 0)
		return;
	json_decref(principal->labels);
	mem_free(principal);
}

bool principal_may(const struct principal *principal, unsigned wanted)
{
	return wanted == SCOPE_NONE || (principal->scopes & (wanted | SCOPE_ADMIN)) != 0;
}

bool principal_sees(const struct principal *principal, const json_t *labels)
{
	const char *key;
	json_t *value;

	json_object_foreach(principal->labels, key, value)
	{
		if (!json_equal(value, json_object_get(labels, key)))
			return false;
	}
	return true;
}

static int refuse_label(const struct principal *principal, const char *key, json_t *value,
	struct mistakes *mistakes, struct error *err)
{
	mistakes_add(mistakes, pointer_at("/labels", key).text,
		"must be '%s', as in all jobs of the token '%s'", json_string_value(value),
		principal->name);
	return error_set(err, ERR_FORBIDDEN,
		"the token '%s' is for jobs with the label %.60s=%.60s", principal->name, key,
		json_string_value(value));
}

static int compare_labels(const struct principal *principal, const json_t *labels,
	struct mistakes *mistakes, struct error *err)
{
	const char *key;
	json_t *value, *given;

	json_object_foreach(principal->labels, key, value)
	{
		given = json_object_get(labels, key);
		if (given != NULL && !json_equal(given, value))
			return refuse_label(principal, key, value, mistakes, err);
	}
	return 0;
}

int principal_mark(const struct principal *principal, json_t *labels, struct mistakes *mistakes,
	struct error *err)
{
	if (compare_labels(principal, labels, mistakes, err) < 0)
		return -1;
	if (principal->labels == NULL || json_object_update(labels, principal->labels) == 0)
		return 0;
	return error_no_memory(err);
}

int principal_keeps(const struct principal *principal, const json_t *patch,
	struct mistakes *mistakes, struct error *err)
{
	return compare_labels(principal, json_object_get(patch, "labels"), mistakes, err);
}

/* ---- scopes ---- */

const char *scope_name(enum scope scope)
{
	for (size_t at = 0; at < ARRAY_SIZE(scopes); at++)
		if (scopes[at].scope == scope)
			return scopes[at].name;
	return "none";
}

enum scope scope_parse(const char *name)
{
	for (size_t at = 0; at < ARRAY_SIZE(scopes); at++)
		if (strcmp(scopes[at].name, name) == 0)
			return scopes[at].scope;
	return SCOPE_NONE;
}

void scopes_text(unsigned mask, const char *between, char ret_text[static SCOPES_TEXT_SIZE])
{
	size_t len = 0;

	ret_text[0] = '\0';
	for (size_t at = 0; at < ARRAY_SIZE(scopes); at++)
		if ((mask & scopes[at].scope) != 0)
			len += (size_t)snprintf(ret_text + len, SCOPES_TEXT_SIZE - len, "%s%s",
				len == 0 ? "" : between, scopes[at].name);
}
