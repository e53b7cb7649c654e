/* Where settings come from besides the command line: the environment and a JSON file. */
#include "cli/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/json_parse.h"
#include "base/mem.h"
#include "job/text.h"

#define FROM_SIZE 512

/* ---- environment ---- */

int settings_from_env(struct settings *settings, unsigned commands, struct error *err)
{
	char name[SETTING_NAME_SIZE];

	for (unsigned i = 0; i < settings_count; i++) {
		const char *text;

		setting_env_name(&settings_table[i], name);
		text = getenv(name);
		if (text != NULL && (settings_table[i].commands & commands) != 0 &&
			settings_set(settings, i, text, SOURCE_ENV, name, err) < 0)
			return -1;
	}
	return 0;
}

/* Read by others than this table: --config itself, fault counters, the test programs, clients.
 */
static bool is_known_env(const char *name, size_t len)
{
	static const char *const prefixes[] = { "LEAT_CONFIG", "LEAT_FAULT_", "LEAT_PROGRAM",
		"LEAT_SERVER", "LEAT_TOKEN", "LEAT_CACERT", "LEAT_CERT" };
	char known[SETTING_NAME_SIZE];

	for (unsigned i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	for (unsigned i = 0; i < settings_count; i++) {
		setting_env_name(&settings_table[i], known);
		if (strlen(known) == len && memcmp(known, name, len) == 0)
			return true;
	}
	return false;
}

void settings_warn_unknown_env(void)
{
	for (char **variable = environ; *variable != NULL; variable++) {
		size_t len = strcspn(*variable, "=");

		if (strncmp(*variable, "LEAT_", 5) == 0 && !is_known_env(*variable, len))
			log_warn("unknown_variable",
				"name=%.*s hint=\"it sets nothing; see leat serve --help\"",
				(int)len, *variable);
	}
}

/* ---- file ---- */

static int find_key(const char *key, const char *from, unsigned *ret_index, struct error *err)
{
	char names[SETTINGS_MAX][SETTING_NAME_SIZE];
	struct nearest nearest;

	nearest_init(&nearest, key);
	for (unsigned i = 0; i < settings_count; i++) {
		setting_key_name(&settings_table[i], names[i]);
		nearest_offer(&nearest, names[i]);
		if (strcmp(names[i], key) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	if (nearest_best(&nearest) == NULL)
		return error_set(err, ERR_BAD_REQUEST,
			"%s: there is no such setting; see 'leat serve --help'", from);
	return error_set(err, ERR_BAD_REQUEST,
		"%s: there is no such setting; did you mean '%s'?", from,
		nearest_best(&nearest));
}

static int set_json(struct settings *settings, unsigned index, const json_t *value,
	const char *from, struct error *err)
{
	const struct setting *setting = &settings_table[index];
	char number[24];

	if (json_is_string(value))
		return settings_set(
			settings, index, json_string_value(value), SOURCE_FILE, from, err);
	if (setting->type == SETTING_YES && json_is_boolean(value))
		return settings_set(settings, index, json_is_true(value) ? "yes" : "no",
			SOURCE_FILE, from, err);
	if (setting_is_number(setting) && json_is_integer(value) &&
		json_integer_value(value) >= 0) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			json_integer_value(value));
		return settings_set(settings, index, number, SOURCE_FILE, from, err);
	}
	if (setting_is_number(setting))
		return error_set(err, ERR_BAD_REQUEST,
			"%s: a whole number or a text such as \"64MiB\" or \"10s\" is wanted here",
			from);
	return error_set(err, ERR_BAD_REQUEST, "%s: a text is wanted here", from);
}

/* An array stands for a setting that may be repeated. */
static int set_json_array(struct settings *settings, unsigned index, const json_t *array,
	const char *from, struct error *err)
{
	char pointer[FROM_SIZE + 24];
	const json_t *value;
	size_t i;

	json_array_foreach(array, i, value)
	{
		snprintf(pointer, sizeof(pointer), "%s/%zu", from, i);
		if (!json_is_string(value))
			return error_set(
				err, ERR_BAD_REQUEST, "%s: a text is wanted here", pointer);
		if (set_json(settings, index, value, pointer, err) < 0)
			return -1;
	}
	return 0;
}

static int set_from_object(
	struct settings *settings, const char *path, json_t *root, struct error *err)
{
	const char *key;
	char from[FROM_SIZE];
	json_t *value;
	unsigned index = 0;

	json_object_foreach(root, key, value)
	{
		int failed;

		snprintf(from, sizeof(from), "%s: /%s", path, key);
		if (find_key(key, from, &index, err) < 0)
			return -1;
		failed = settings_table[index].type == SETTING_FOLDERS && json_is_array(value)
				 ? set_json_array(settings, index, value, from, err)
				 : set_json(settings, index, value, from, err);
		if (failed < 0)
			return -1;
	}
	return 0;
}

int settings_from_file(struct settings *settings, const char *path, struct error *err)
{
	json_auto_t *root = json_parse_file(path, err);

	if (root == NULL)
		return -1;
	if (!json_is_object(root))
		return error_set(err, ERR_BAD_REQUEST,
			"%s: the file must hold one JSON object, as in {\"item_max\":\"4MiB\"}",
			path);
	return set_from_object(settings, path, root, err);
}
