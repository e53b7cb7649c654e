#include "cli/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

int command_fail(const char *name, const struct error *err, int code)
{
	fprintf(stderr, "%s: %s\n", name, err->text);
	return code;
}

static void apply_log(const struct settings *settings)
{
	static const char *const levels[] = { "debug", "info", "warn", "error", "off" };

	log_use_json(strcmp(settings->log, "json") == 0);
	for (unsigned i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(settings->log_level, levels[i]) == 0)
			log_set_level((enum log_level)i);
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

int command_registry(const struct settings *settings, struct registry **ret, struct error *err)
{
	struct registry *registry;

	if (registry_new(&registry, err) < 0)
		return -1;
	for (unsigned i = 0; i < settings->stages.count; i++)
		if (registry_load_dir(registry, settings->stages.items[i], err) < 0) {
			registry_free(registry);
			return -1;
		}
	*ret = registry;
	return 0;
}
