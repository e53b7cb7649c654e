/*
 * settings: everything that can be set, from one table.
 *
 * A row of the table is a setting: its name makes the flag (--item-max), the environment
 * variable (LEAT_ITEM_MAX) and the key of the JSON file (item_max); its type, bounds and
 * sentence make the checks, the --help and the --print-config. The defaults are those of
 * the layers themselves (engine_config_default, …) and stand nowhere else.
 *
 * Each value remembers where it came from. A later source takes the place of an earlier one:
 * default < file < env < flag; cli/options.h calls them in that order.
 *
 * To add a setting: a member below and a row in settings_table.c; nothing else.
 *
 * Thread: one.
 */
#ifndef LEAT_CLI_SETTINGS_H
#define LEAT_CLI_SETTINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/engine.h"
#include "http/server.h"
#include "ledger/ledger.h"

enum setting_type {
	SETTING_TEXT,   /* char * */
	SETTING_CHOICE, /* char *, one of `choices` */
	SETTING_YES,    /* the same of "no|yes"; as a flag it has no value and means yes */
	SETTING_COUNT,  /* the next three: an unsigned member of 4 or 8 bytes */
	SETTING_BYTES,
	SETTING_MS,
	SETTING_FOLDERS, /* struct folders: repeatable; in the environment divided by ':' */
};

/* The commands that a setting means something to. */
enum setting_command { FOR_SERVE = 1, FOR_RUN = 2, FOR_STAGES = 4 };

struct setting {
	const char *name; /* "item-max" */
	const char *group, *metavar, *help;
	enum setting_type type;
	unsigned commands;   /* mask of setting_command */
	size_t offset, size; /* of the member in struct settings */
	uint64_t min, max;   /* numbers */
	const char *choices; /* "a|b" */
	const char *zero;    /* what 0 means, for the help */
};

extern const struct setting settings_table[];
extern const unsigned settings_count;

enum setting_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENV, SOURCE_FLAG };

#define SETTINGS_MAX      96
#define FOLDERS_MAX       64
#define SETTING_NAME_SIZE 48

struct settings {
	char *listen, *data;
	char *tokens, *hosts, *cors_origins; /* "": none */
	char *insecure, *core_dumps;         /* "yes" or "no" */
	struct folders {
		unsigned count;
		char *items[FOLDERS_MAX];
	} stages, stages_isolated;
	char *stages_d; /* "": none */
	char *unix_mode, *unix_group, *unix_users;
	char *tls_cert, *tls_key, *tls_client_ca, *tls_client; /* "": none */
	uint64_t map_bytes, drain_ms, idle_timeout_ms, ratio_max;
	char *log, *log_level, *access_log, *audit_log;
	struct engine_config engine;
	struct http_config http; /* without its places: cli/places.h */
	struct setting_origin {
		enum setting_source source;
		char *from; /* "--item-max", "LEAT_ITEM_MAX", "leat.json: /item_max"; NULL:
			       default */
	} origins[SETTINGS_MAX];
};

/* With the defaults of `command`: a server logs its life, the others only what is wrong. */
int settings_init(struct settings *settings, enum setting_command command, struct error *err);
void settings_done(struct settings *settings);

static inline bool setting_is_number(const struct setting *setting)
{
	return setting->type == SETTING_COUNT || setting->type == SETTING_BYTES ||
	       setting->type == SETTING_MS;
}

/* Take a value as text; `from` is what the error starts with. ERR_BAD_REQUEST. */
int settings_set(struct settings *settings, unsigned index, const char *text,
	enum setting_source source, const char *from, struct error *err);
/* The whole of a JSON file. Unknown keys are refused, with the nearest name. */
int settings_from_file(struct settings *settings, const char *path, struct error *err);
/* Every LEAT_… variable that is a setting of these commands. */
int settings_from_env(struct settings *settings, unsigned commands, struct error *err);

/* Log the LEAT_… variables that set nothing: a misspelt one would be missed without a word. */
void settings_warn_unknown_env(void);

/* {"item_max":{"value":…,"source":"flag","from":"--item-max"},…}; NULL without memory. */
json_t *settings_to_json(const struct settings *settings, unsigned commands);

/* "LEAT_ITEM_MAX", "item_max". */
void setting_env_name(const struct setting *setting, char ret_name[static SETTING_NAME_SIZE]);
void setting_key_name(const struct setting *setting, char ret_name[static SETTING_NAME_SIZE]);
/* Its value as a person would write it, "64 MiB"; `ret` of `size` bytes. */
void setting_show(const struct settings *settings, unsigned index, char *ret, size_t size);

#endif
