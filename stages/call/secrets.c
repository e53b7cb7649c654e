#include "call/secrets.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "call/text.h"

/* What a header can carry. */
static bool is_sendable(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < ' ' || value[i] == 127)
			return false;
	return len > 0;
}

static enum stage_result bind_hosts(
	struct secret *secret, yyjson_val *list, struct stage_ctx *ctx)
{
	char *json = yyjson_val_write(list, YYJSON_WRITE_NOFLAG, NULL);
	enum stage_result result;

	if (json == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	result = hosts_read(&secret->hosts, json, "[]", ctx);
	free(json);
	secret->bound = true;
	if (result != STAGE_OK)
		return stage_fail(ctx, STAGE_PERMANENT,
			"/secrets/%.80s/hosts: must be an array of hosts as in \"hosts\"",
			secret->name);
	return STAGE_OK;
}

/* Another way to write it, NULL where that is the same; false without memory. */
static bool keep_form(const struct secret *secret, const char *form, size_t len, char **ret)
{
	if (len == secret->len)
		return true;
	*ret = strndup(form, len);
	return *ret != NULL;
}

static bool keep_forms(struct secret *secret)
{
	struct stage_text json = { 0 }, twice = { 0 }, url = { 0 };
	bool done;

	text_json(&json, secret->value, secret->len);
	if (stage_text_end(&json) != NULL)
		text_json(&twice, json.at + 1, json.len - 2);
	text_percent(&url, secret->value, secret->len);
	done = stage_text_end(&json) != NULL && stage_text_end(&twice) != NULL &&
	       stage_text_end(&url) != NULL &&
	       keep_form(secret, json.at + 1, json.len - 2, &secret->escaped) &&
	       keep_form(secret, twice.at + 1, twice.len - 2, &secret->escaped_twice) &&
	       keep_form(secret, url.at, url.len, &secret->encoded);
	stage_text_done(&json);
	stage_text_done(&twice);
	stage_text_done(&url);
	return done;
}

static enum stage_result add_secret(
	struct secrets *secrets, yyjson_val *name, yyjson_val *given, struct stage_ctx *ctx)
{
	struct secret *secret = &secrets->items[secrets->count++];
	yyjson_val *value = yyjson_is_obj(given) ? yyjson_obj_get(given, "value") : given;
	yyjson_val *hosts = yyjson_is_obj(given) ? yyjson_obj_get(given, "hosts") : NULL;

	secret->name = strdup(yyjson_get_str(name));
	if (secret->name == NULL)
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	if (!yyjson_is_str(value) || !is_sendable(yyjson_get_str(value), yyjson_get_len(value)))
		return stage_fail(ctx, STAGE_PERMANENT,
			"/secrets/%.80s: must be a text that is not empty and has no control "
			"characters, or an object with such a \"value\"",
			secret->name);
	secret->value = strdup(yyjson_get_str(value));
	secret->len = yyjson_get_len(value);
	if (secret->value == NULL || !keep_forms(secret))
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	return hosts == NULL ? STAGE_OK : bind_hosts(secret, hosts, ctx);
}

enum stage_result secrets_read(struct secrets *secrets, const char *json, struct stage_ctx *ctx)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc), *name;
	yyjson_obj_iter iter = yyjson_obj_iter_with(root);
	enum stage_result result = STAGE_OK;

	*secrets = (struct secrets){ 0 };
	secrets->items = calloc(yyjson_obj_size(root) + 1, sizeof(secrets->items[0]));
	if (doc == NULL || secrets->items == NULL)
		result = stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	else if (!yyjson_is_obj(root))
		result = stage_fail(
			ctx, STAGE_PERMANENT, "/secrets: must be an object, name to text");
	while (result == STAGE_OK && (name = yyjson_obj_iter_next(&iter)) != NULL)
		result = add_secret(secrets, name, yyjson_obj_iter_get_val(name), ctx);
	yyjson_doc_free(doc);
	if (result != STAGE_OK)
		secrets_done(secrets);
	return result;
}

/* free() alone would leave it lying about. */
static void forget(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

void secrets_done(struct secrets *secrets)
{
	for (size_t i = 0; secrets->items != NULL && i < secrets->count; i++) {
		free(secrets->items[i].name);
		forget(secrets->items[i].value);
		forget(secrets->items[i].escaped);
		forget(secrets->items[i].escaped_twice);
		forget(secrets->items[i].encoded);
		hosts_done(&secrets->items[i].hosts);
	}
	free(secrets->items);
	*secrets = (struct secrets){ 0 };
}

const struct secret *secrets_find(const struct secrets *secrets, const char *name, size_t len)
{
	for (size_t i = 0; i < secrets->count; i++)
		if (strlen(secrets->items[i].name) == len &&
			memcmp(secrets->items[i].name, name, len) == 0)
			return &secrets->items[i];
	return NULL;
}

bool secret_allows(const struct secret *secret, const struct target *target)
{
	return !secret->bound || hosts_name(&secret->hosts, target);
}

static void blank(const char *what, char *bytes, size_t len)
{
	char *at = bytes, *end = bytes + len;
	size_t what_len = what == NULL ? 0 : strlen(what);

	if (what_len == 0)
		return;
	while ((at = memmem(at, (size_t)(end - at), what, what_len)) != NULL) {
		memset(at, '*', what_len);
		at += what_len;
	}
}

void secret_blank(const struct secret *secret, char *bytes, size_t len)
{
	if (len == 0)
		return;
	blank(secret->value, bytes, len);
	blank(secret->escaped, bytes, len);
	blank(secret->escaped_twice, bytes, len);
	blank(secret->encoded, bytes, len);
}
