/*
 * fuzz_settings: whatever stands in a file of settings (the first byte is not 'd') or in one of
 * a stage's configuration in stages.d ('d'), it is refused with words that name the file, or
 * taken; a number that was taken is within its bounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/settings.h"
#include "fuzz.h"
#include "plugin/config.h"

static void must(int truth)
{
	if (!truth)
		abort();
}

static uint64_t number(const struct settings *settings, const struct setting *setting)
{
	const char *at = (const char *)settings + setting->offset;
	uint64_t wide;
	uint32_t narrow;

	memcpy(&wide, at, sizeof(wide));
	memcpy(&narrow, at, sizeof(narrow));
	return setting->size == sizeof(narrow) ? narrow : wide;
}

static void check_bounds(const struct settings *settings)
{
	for (unsigned at = 0; at < settings_count; at++) {
		const struct setting *setting = &settings_table[at];

		if (setting->type != SETTING_COUNT && setting->type != SETTING_BYTES &&
			setting->type != SETTING_MS)
			continue;
		must(number(settings, setting) <= setting->max);
		must(number(settings, setting) >= setting->min ||
			number(settings, setting) == 0);
	}
}

static void check_settings(const char *path)
{
	struct settings settings;
	struct error err = { 0 };

	must(settings_init(&settings, FOR_SERVE, &err) == 0);
	if (settings_from_file(&settings, path, &err) < 0)
		must(strstr(err.text, path) != NULL);
	check_bounds(&settings);
	settings_done(&settings);
}

static void check_config(const char *path)
{
	struct error err = { 0 };
	json_t *root = config_read_file(path, &err);

	must(root != NULL || err.text[0] != '\0');
	json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[32];
	int file;

	/* {"$file":…} would read whatever there is on this machine. */
	if (size == 0 || memmem(data, size, "file", 4) != NULL ||
		memmem(data, size, "\\u", 2) != NULL)
		return 0;
	file = memfd_create("fuzz", MFD_CLOEXEC);
	must(file >= 0 && write(file, data + 1, size - 1) == (ssize_t)size - 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (data[0] == 'd')
		check_config(path);
	else
		check_settings(path);
	close(file);
	return 0;
}
