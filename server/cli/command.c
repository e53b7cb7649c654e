#include "cli/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/configure.h"

#define BESIDE "/leat-stages"

int command_fail(const char *name, const struct error *err, int code)
{
	fprintf(stderr, "%s: %s\n", name, err->text);
	return code;
}

static void apply_log(const struct settings *settings)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = { { "debug", LOG_DEBUG }, { "info", LOG_INFO }, { "warn", LOG_WARN },
		{ "error", LOG_ERROR }, { "off", LOG_OFF } };

	log_use_json(strcmp(settings->log, "json") == 0);
	for (unsigned i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(settings->log_level, levels[i].name) == 0)
			log_set_level(levels[i].level);
}

int command_begin(const struct options *options, int argc, char **argv, void *arg,
	struct settings *settings)
{
	enum options_next next;
	struct error err;

	if (settings_init(settings, options->command, &err) < 0)
		return command_fail(options->name, &err, EXIT_FAILED);
	if (options_parse(options, argc, argv, arg, stdout, settings, &next, &err) < 0) {
		settings_done(settings);
		fprintf(stderr, "%s: %s\nTry '%s --help'.\n", options->name, err.text,
			options->name);
		return EXIT_USAGE;
	}
	if (next == OPTIONS_DONE) {
		settings_done(settings);
		return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
	}
	apply_log(settings);
	return -1;
}

void command_close_signals(uv_signal_t *sigint, uv_signal_t *sigterm)
{
	uv_close((uv_handle_t *)sigint, NULL);
	uv_close((uv_handle_t *)sigterm, NULL);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
}

/* A folder that need not be there. */
static int load_if_there(struct registry *registry, const char *dir, struct error *err)
{
	return access(dir, F_OK) < 0 ? 0 : registry_load_dir(registry, dir, err);
}

static int load_beside(struct registry *registry, struct error *err)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(BESIDE));
	char *slash;

	if (len <= 0)
		return 0;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL)
		return 0;
	strcpy(slash, BESIDE);
	return load_if_there(registry, path, err);
}

static int load_all(
	struct registry *registry, const struct settings *settings, struct error *err)
{
	for (unsigned i = 0; i < settings->stages.count; i++)
		if (registry_load_dir(registry, settings->stages.items[i], err) < 0)
			return -1;
	for (unsigned i = 0; i < settings->stages_isolated.count; i++)
		if (registry_load_isolated_dir(
			    registry, settings->stages_isolated.items[i], err) < 0)
			return -1;
	if (load_beside(registry, err) < 0)
		return -1;
	return load_if_there(registry, LEAT_STAGES_DIR, err);
}

int command_registry(const struct settings *settings, struct registry **ret, struct error *err)
{
	return command_registry_with(settings, NULL, NULL, ret, err);
}

int command_registry_with(const struct settings *settings, const char *file,
	const struct stage **ret_stage, struct registry **ret, struct error *err)
{
	const char *stages_d = *settings->stages_d != '\0' ? settings->stages_d : NULL;
	struct registry *registry;

	if (registry_new(&registry, err) < 0)
		return -1;
	if (load_all(registry, settings, err) < 0 ||
		(file != NULL && registry_load_file(registry, file, ret_stage, err) < 0) ||
		registry_load_config(registry, stages_d, &configure_hooks, err) < 0) {
		registry_free(registry);
		return -1;
	}
	*ret = registry;
	return 0;
}
