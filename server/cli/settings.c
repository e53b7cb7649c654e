#include "cli/settings.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/units.h"

/* ---- values in struct settings ---- */

static void *member_of(const struct settings *settings, const struct setting *setting)
{
	return (char *)settings + setting->offset;
}

static void store_number(
	struct settings *settings, const struct setting *setting, uint64_t value)
{
	if (setting->size == sizeof(uint32_t)) {
		uint32_t narrow = (uint32_t)value;

		memcpy(member_of(settings, setting), &narrow, sizeof(narrow));
	} else {
		assert(setting->size == sizeof(value));
		memcpy(member_of(settings, setting), &value, sizeof(value));
	}
}

static uint64_t load_number(const struct settings *settings, const struct setting *setting)
{
	uint32_t narrow;
	uint64_t value;

	if (setting->size == sizeof(narrow)) {
		memcpy(&narrow, member_of(settings, setting), sizeof(narrow));
		return narrow;
	}
	memcpy(&value, member_of(settings, setting), sizeof(value));
	return value;
}

static enum unit unit_of(const struct setting *setting)
{
	return setting->type == SETTING_BYTES ? UNIT_BYTES
	       : setting->type == SETTING_MS  ? UNIT_MS
					      : UNIT_COUNT;
}

static void folders_clear(struct folders *folders)
{
	while (folders->count > 0)
		mem_free(folders->items[--folders->count]);
}

/* ---- life ---- */

int settings_init(struct settings *settings, enum setting_command command, struct error *err)
{
	*settings = (struct settings){
		.map_bytes = 64ull << 30,
		.drain_ms = 10000,
		.engine = engine_config_default,
		.http = http_config_default,
		.idle_timeout_ms = http_config_default.idle_timeout_s * 1000ull,
		.ratio_max = (uint64_t)http_config_default.ratio_max,
	};
	settings->engine.rules = definition_rules_default;
	settings->listen = mem_strdup(PLACE_DEFAULT);
	settings->unix_mode = mem_strdup("0600");
	settings->unix_group = mem_strdup("");
	settings->unix_users = mem_strdup("");
	settings->tls_cert = mem_strdup("");
	settings->tls_key = mem_strdup("");
	settings->tls_client_ca = mem_strdup("");
	settings->tls_client = mem_strdup("required");
	settings->data = mem_strdup("./var");
	settings->stages_d = mem_strdup("");
	settings->log = mem_strdup("text");
	settings->log_level = mem_strdup(command == FOR_SERVE ? "info" : "warn");
	settings->access_log = mem_strdup("off");
	settings->audit_log = mem_strdup("on");
	settings->tokens = mem_strdup("");
	settings->hosts = mem_strdup("");
	settings->cors_origins = mem_strdup("");
	settings->insecure = mem_strdup("no");
	settings->core_dumps = mem_strdup("no");
	if (settings->listen != NULL && settings->data != NULL && settings->stages_d != NULL &&
		settings->log != NULL && settings->log_level != NULL &&
		settings->access_log != NULL && settings->audit_log != NULL &&
		settings->tokens != NULL && settings->hosts != NULL &&
		settings->cors_origins != NULL && settings->insecure != NULL &&
		settings->core_dumps != NULL && settings->unix_mode != NULL &&
		settings->unix_group != NULL && settings->unix_users != NULL &&
		settings->tls_cert != NULL && settings->tls_key != NULL &&
		settings->tls_client_ca != NULL && settings->tls_client != NULL)
		return 0;
	settings_done(settings);
	return error_no_memory(err);
}

void settings_done(struct settings *settings)
{
	mem_free(settings->listen);
	mem_free(settings->data);
	mem_free(settings->stages_d);
	mem_free(settings->log);
	mem_free(settings->log_level);
	mem_free(settings->access_log);
	mem_free(settings->audit_log);
	mem_free(settings->tokens);
	mem_free(settings->hosts);
	mem_free(settings->cors_origins);
	mem_free(settings->insecure);
	mem_free(settings->core_dumps);
	mem_free(settings->unix_mode);
	mem_free(settings->unix_group);
	mem_free(settings->unix_users);
	mem_free(settings->tls_cert);
	mem_free(settings->tls_key);
	mem_free(settings->tls_client_ca);
	mem_free(settings->tls_client);
	folders_clear(&settings->stages);
	folders_clear(&settings->stages_isolated);
	for (unsigned i = 0; i < SETTINGS_MAX; i++)
		mem_free(settings->origins[i].from);
	*settings = (struct settings){ 0 };
}

/* ---- taking a value ---- */

static int set_number(struct settings *settings, const struct setting *setting,
	const char *text, const char *from, struct error *err)
{
	char least[UNIT_TEXT_SIZE], most[UNIT_TEXT_SIZE];
	struct error why;
	uint64_t value;

	if (unit_parse(unit_of(setting), text, &value, &why) < 0)
		return error_set(err, ERR_BAD_REQUEST, "%s: %s", from, why.text);
	if (value < setting->min || value > setting->max) {
		unit_format(unit_of(setting), setting->min, least);
		unit_format(unit_of(setting), setting->max, most);
		return error_set(err, ERR_BAD_REQUEST,
			"%s: '%.60s' is too %s; it may be %s to %s", from, text,
			value < setting->min ? "small" : "large", least, most);
	}
	store_number(settings, setting, value);
	return 0;
}

static bool is_choice(const char *choices, const char *text)
{
	size_t len = strlen(text);

	while (true) {
		size_t step = strcspn(choices, "|");

		if (step == len && memcmp(choices, text, len) == 0)
			return true;
		if (choices[step] == '\0')
			return false;
		choices += step + 1;
	}
}

static int set_text(struct settings *settings, const struct setting *setting, const char *text,
	const char *from, struct error *err)
{
	char **member = member_of(settings, setting);
	char *copy;

	if ((setting->type == SETTING_CHOICE || setting->type == SETTING_YES) &&
		!is_choice(setting->choices, text))
		return error_set(err, ERR_BAD_REQUEST, "%s: '%.60s' is none of %s", from, text,
			setting->choices);
	if (*text == '\0')
		return error_set(err, ERR_BAD_REQUEST, "%s: the text is empty; give a %s", from,
			setting->metavar);
	copy = mem_strdup(text);
	if (copy == NULL)
		return error_no_memory(err);
	mem_free(*member);
	*member = copy;
	return 0;
}

static int add_folder(struct folders *folders, const char *text, size_t len, const char *from,
	struct error *err)
{
	if (len == 0)
		return error_set(
			err, ERR_BAD_REQUEST, "%s: the name of a folder is empty", from);
	if (folders->count == FOLDERS_MAX)
		return error_set(
			err, ERR_BAD_REQUEST, "%s: more than %d folders", from, FOLDERS_MAX);
	folders->items[folders->count] = mem_strndup(text, len);
	if (folders->items[folders->count] == NULL)
		return error_no_memory(err);
	folders->count++;
	return 0;
}

/* Folders of one source add up; those of a lower one are forgotten. */
static int set_folders(struct settings *settings, unsigned index, const char *text,
	enum setting_source source, const char *from, struct error *err)
{
	struct folders *folders = member_of(settings, &settings_table[index]);

	if (settings->origins[index].source != source)
		folders_clear(folders);
	while (source == SOURCE_ENV && strchr(text, ':') != NULL) {
		size_t len = strcspn(text, ":");

		if (add_folder(folders, text, len, from, err) < 0)
			return -1;
		text += len + 1;
	}
	return add_folder(folders, text, strlen(text), from, err);
}

int settings_set(struct settings *settings, unsigned index, const char *text,
	enum setting_source source, const char *from, struct error *err)
{
	const struct setting *setting = &settings_table[index];
	struct setting_origin *origin = &settings->origins[index];
	char *copy = mem_strdup(from);
	int failed;

	if (copy == NULL)
		return error_no_memory(err);
	if (setting_is_number(setting))
		failed = set_number(settings, setting, text, from, err);
	else if (setting->type == SETTING_FOLDERS)
		failed = set_folders(settings, index, text, source, from, err);
	else
		failed = set_text(settings, setting, text, from, err);
	if (failed < 0) {
		mem_free(copy);
		return -1;
	}
	mem_free(origin->from);
	origin->from = copy;
	origin->source = source;
	return 0;
}

/* ---- names ---- */

static void rename_setting(const char *prefix, const struct setting *setting,
	int (*change)(int), char ret_name[static SETTING_NAME_SIZE])
{
	int len = snprintf(ret_name, SETTING_NAME_SIZE, "%s%s", prefix, setting->name);

	assert(len < SETTING_NAME_SIZE);
	for (char *at = ret_name; *at != '\0'; at++)
		*at = *at == '-' ? '_' : (char)change((unsigned char)*at);
}

void setting_env_name(const struct setting *setting, char ret_name[static SETTING_NAME_SIZE])
{
	rename_setting("LEAT_", setting, toupper, ret_name);
}

void setting_key_name(const struct setting *setting, char ret_name[static SETTING_NAME_SIZE])
{
	rename_setting("", setting, tolower, ret_name);
}

/* ---- showing ---- */

static json_t *value_to_json(const struct settings *settings, const struct setting *setting)
{
	const struct folders *folders = member_of(settings, setting);
	json_t *array;

	if (setting_is_number(setting))
		return json_integer((json_int_t)load_number(settings, setting));
	if (setting->type != SETTING_FOLDERS)
		return json_string(*(char *const *)member_of(settings, setting));
	array = json_array();
	for (unsigned i = 0; i < folders->count; i++)
		if (json_array_append_new(array, json_string(folders->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *setting_to_json(const struct settings *settings, unsigned index)
{
	static const char *const names[] = { "default", "file", "env", "flag" };
	const struct setting_origin *origin = &settings->origins[index];

	return json_pack("{s:o, s:s, s:s*}", "value",
		value_to_json(settings, &settings_table[index]), "source",
		names[origin->source], "from", origin->from);
}

json_t *settings_to_json(const struct settings *settings, unsigned commands)
{
	json_auto_t *root = json_object();
	char name[SETTING_NAME_SIZE];

	for (unsigned i = 0; i < settings_count; i++) {
		if ((settings_table[i].commands & commands) == 0)
			continue;
		setting_key_name(&settings_table[i], name);
		if (json_object_set_new(root, name, setting_to_json(settings, i)) < 0)
			return NULL;
	}
	return json_incref(root);
}

void setting_show(const struct settings *settings, unsigned index, char *ret, size_t size)
{
	const struct setting *setting = &settings_table[index];
	char text[UNIT_TEXT_SIZE];

	if (setting->type == SETTING_FOLDERS) {
		snprintf(ret, size, "none");
	} else if (!setting_is_number(setting)) {
		const char *word = *(char *const *)member_of(settings, setting);

		snprintf(ret, size, "%s", *word == '\0' ? "none" : word);
	} else if (load_number(settings, setting) == 0 && setting->zero != NULL) {
		snprintf(ret, size, "0, which means %s", setting->zero);
	} else {
		unit_format(unit_of(setting), load_number(settings, setting), text);
		snprintf(ret, size, "%s", text);
	}
}
