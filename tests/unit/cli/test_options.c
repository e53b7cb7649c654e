/* Settings from flags, environment, file and defaults: who wins, and what the errors say. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/options.h"

#define WORDS_MAX 8

static int takes(void *arg, int key, const char *value, struct error *err)
{
	const char **taken = arg;

	if (key == 0 && strcmp(value, "wrong") == 0)
		return error_set(err, ERR_BAD_REQUEST, "the word is wrong");
	taken[key] = value != NULL ? value : "given";
	return 0;
}

static const struct argp_option own[] = {
	{ "set", 1, "NAME=VALUE", 0, "set it", 1 },
	{ "json", 2, NULL, 0, "as JSON", 1 },
	{ 0 },
};

static const struct options serve = { .name = "leat serve",
	.command = FOR_SERVE,
	.intro = "Serve.",
	.examples = "Examples:\n  leat serve" };
static const struct options run = { .name = "leat run",
	.command = FOR_RUN,
	.args_doc = "PIPELINE",
	.intro = "Run.",
	.own = own,
	.take = takes };

/* One call of options_parse() with what it left behind. */
struct call {
	struct settings settings;
	enum options_next next;
	struct error err;
	const char *taken[8];
	char *words; /* the line, cut */
	char *out;
	size_t out_len;
	int result;
};

static void parse(struct call *call, const struct options *options, const char *line)
{
	char *words[WORDS_MAX + 1] = { 0 }, *copy = strdup(line), *rest = NULL;
	FILE *out = open_memstream(&call->out, &call->out_len);
	int count = 0;

	words[count++] = (char *)options->name;
	for (char *word = strtok_r(copy, " ", &rest); word != NULL;
		word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	cr_assert(count <= WORDS_MAX);
	memset(call->taken, 0, sizeof(call->taken));
	call->next = (enum options_next)99;
	call->err.text[0] = '\0';
	cr_assert(settings_init(&call->settings, options->command, NULL) == 0);
	call->result = options_parse(options, count, words, call->taken, out, &call->settings,
		&call->next, &call->err);
	fclose(out);
	call->words = copy;
}

static void call_done(struct call *call)
{
	settings_done(&call->settings);
	free(call->words);
	free(call->out);
}

/* A file with this content; removed by the caller. */
static char path[] = "/tmp/leat-config-XXXXXX";
static void write_file(const char *content)
{
	int fd = mkstemp(path);

	cr_assert(fd >= 0);
	cr_assert(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	close(fd);
}

static json_t *print_config(const struct options *options, const char *line)
{
	struct call call;
	json_t *root;

	parse(&call, options, line);
	cr_assert(call.result == 0, "%s", call.err.text);
	cr_assert(call.next == OPTIONS_DONE);
	root = json_loads(call.out, 0, NULL);
	cr_assert(root != NULL, "%s", call.out);
	call_done(&call);
	return root;
}

static void expect_setting(
	json_t *root, const char *key, json_int_t value, const char *source, const char *from)
{
	json_t *got = json_object_get(root, key);
	const char *got_from = json_string_value(json_object_get(got, "from"));

	cr_assert(json_integer_value(json_object_get(got, "value")) == value, "%s", key);
	cr_assert(eq(str, (char *)json_string_value(json_object_get(got, "source")),
		(char *)source));
	if (from == NULL)
		cr_assert(got_from == NULL);
	else
		cr_assert(got_from != NULL && strcmp(got_from, from) == 0, "%s: %s", key,
			got_from);
}

/* ---- who wins ---- */

Test(options, flag_wins_over_environment_over_file_over_default)
{
	char line[128], from[128];
	json_t *root;

	write_file("{\"item_max\":\"1MiB\",\"drain_ms\":\"3s\",\"compute\":3,\"flush_ms\":30}");
	setenv("LEAT_ITEM_MAX", "2MiB", 1);
	setenv("LEAT_DRAIN_MS", "4s", 1);
	setenv("LEAT_STALL_MS", "40s", 1);
	snprintf(line, sizeof(line), "--config %s --print-config --item-max=4MiB", path);
	root = print_config(&serve, line);
	expect_setting(root, "item_max", 4 << 20, "flag", "--item-max");
	expect_setting(root, "drain_ms", 4000, "env", "LEAT_DRAIN_MS");
	expect_setting(root, "stall_ms", 40000, "env", "LEAT_STALL_MS");
	snprintf(from, sizeof(from), "%s: /compute", path);
	expect_setting(root, "compute", 3, "file", from);
	expect_setting(root, "jobs_max", engine_config_default.jobs_max, "default", NULL);
	json_decref(root);
	unlink(path);
}

Test(options, the_file_may_be_named_by_the_environment)
{
	char from[128];
	json_t *root;

	write_file("{\"cache_max\":7}");
	setenv("LEAT_CONFIG", path, 1);
	root = print_config(&serve, "--print-config");
	snprintf(from, sizeof(from), "%s: /cache_max", path);
	expect_setting(root, "cache_max", 7, "file", from);
	json_decref(root);
	unlink(path);
}

Test(options, the_last_of_equal_flags_wins)
{
	struct call call;

	parse(&call, &serve, "--compute 1 --compute 2");
	cr_assert(call.result == 0);
	cr_assert(call.next == OPTIONS_GO);
	cr_assert(eq(uint, call.settings.engine.compute, 2));
	call_done(&call);
}

Test(options, folders_of_one_source_add_up_and_hide_those_of_a_lower_one)
{
	struct call call;

	setenv("LEAT_STAGES", "/env/a:/env/b", 1);
	parse(&call, &serve, "");
	cr_assert(call.result == 0, "%s", call.err.text);
	cr_assert(eq(uint, call.settings.stages.count, 2));
	cr_assert(eq(str, call.settings.stages.items[1], (char *)"/env/b"));
	call_done(&call);
	parse(&call, &serve, "--stages /flag/a --stages /flag/b --stages /flag/c:d");
	cr_assert(call.result == 0, "%s", call.err.text);
	cr_assert(eq(uint, call.settings.stages.count, 3));
	cr_assert(eq(str, call.settings.stages.items[0], (char *)"/flag/a"));
	cr_assert(eq(str, call.settings.stages.items[2], (char *)"/flag/c:d"));
	call_done(&call);
}

Test(options, every_setting_can_be_given_in_all_three_ways)
{
	for (unsigned i = 0; i < settings_count; i++) {
		const struct setting *setting = &settings_table[i];
		char line[128], env[SETTING_NAME_SIZE], key[SETTING_NAME_SIZE], value[64];
		const char *text =
			setting->choices != NULL ? strrchr(setting->choices, '|') + 1 : "x:1";
		struct call call;

		if (setting_is_number(setting))
			snprintf(
				value, sizeof(value), "%llu", (unsigned long long)setting->max);
		else
			snprintf(value, sizeof(value), "%s", text);
		setting_env_name(setting, env);
		setting_key_name(setting, key);

		snprintf(line, sizeof(line), "--%s %s", setting->name,
			setting->type == SETTING_YES ? "" : value);
		parse(&call, &serve, line);
		cr_assert(call.result == 0, "%s: %s", line, call.err.text);
		cr_assert(call.settings.origins[i].source == SOURCE_FLAG);
		call_done(&call);

		setenv(env, value, 1);
		parse(&call, &serve, "");
		cr_assert(call.result == 0, "%s: %s", env, call.err.text);
		cr_assert(call.settings.origins[i].source == SOURCE_ENV);
		call_done(&call);
		unsetenv(env);

		strcpy(path, "/tmp/leat-config-XXXXXX");
		snprintf(line, sizeof(line), "{\"%s\":\"%s\"}", key, value);
		write_file(line);
		snprintf(line, sizeof(line), "--config=%s", path);
		parse(&call, &serve, line);
		cr_assert(call.result == 0, "%s: %s", key, call.err.text);
		cr_assert(call.settings.origins[i].source == SOURCE_FILE);
		call_done(&call);
		unlink(path);
	}
}

Test(options, a_setting_of_another_command_in_environment_or_file_harms_nobody)
{
	struct call call;
	char line[64];

	write_file("{\"listen\":\"127.0.0.1:1\",\"item_max\":4096}");
	setenv("LEAT_LISTEN", "127.0.0.1:2", 1);
	snprintf(line, sizeof(line), "--config %s", path);
	parse(&call, &run, line);
	cr_assert(call.result == 0, "%s", call.err.text);
	cr_assert(eq(u64, call.settings.engine.item_max, 4096));
	call_done(&call);
	unlink(path);
}

Test(options, own_options_and_words_go_to_the_command)
{
	struct call call;

	parse(&call, &run, "pick,pass --json --set=a.b=1 --compute 1");
	cr_assert(call.result == 0, "%s", call.err.text);
	cr_assert(eq(str, (char *)call.taken[0], (char *)"pick,pass"));
	cr_assert(eq(str, (char *)call.taken[1], (char *)"a.b=1"));
	cr_assert(eq(str, (char *)call.taken[2], (char *)"given"));
	cr_assert(eq(uint, call.settings.engine.compute, 1));
	call_done(&call);
}

/* ---- what is refused, and how ---- */

static const struct {
	const struct options *options;
	const char *line, *why;
} bad_lines[] = {
	{ &serve, "--compte 2", "there is no option '--compte'; did you mean '--compute'?" },
	{ &serve, "--frobnicate", "there is no option '--frobnicate'" },
	{ &serve, "--frobnicate=7", "there is no option '--frobnicate=7'" },
	{ &serve, "-x", "there is no option '-x'" },
	{ &serve, "--set a=b", "there is no option '--set'" },
	{ &run, "--listen 127.0.0.1:1", "there is no option '--listen'" },
	{ &serve, "--item", "--item-max wants a value: --item-max=BYTES" },
	{ &serve, "--data", "--data wants a value: --data=DIR" },
	{ &serve, "--print-config=yes", "--print-config takes no value" },
	{ &serve, "--queue 1", "'--queue' may mean several options; write it out" },
	{ &serve, "somewhere", "the argument 'somewhere' is one too many" },
	{ &run, "wrong", "the word is wrong" },
	{ &serve, "--item-max 12x",
		"--item-max: '12x' is not a size such as 65536, 64k, 16MiB or 2G" },
	{ &serve, "--item-max 1", "--item-max: '1' is too small; it may be 16 to 1 GiB" },
	{ &serve, "--item-max 2G", "--item-max: '2G' is too large; it may be 16 to 1 GiB" },
	{ &serve, "--compute many", "--compute: 'many' is not a whole number such as 8" },
	{ &serve, "--drain-ms soon",
		"--drain-ms: 'soon' is not a time such as 250, 250ms, 10s, 5m, 2h or 7d" },
	{ &serve, "--log xml", "--log: 'xml' is none of text|json" },
	{ &serve, "--log-level loud",
		"--log-level: 'loud' is none of debug|info|warn|error|off" },
	{ &serve, "--data=", "--data: the text is empty; give a DIR" },
	{ &serve, "--stages=", "--stages: the name of a folder is empty" },
	{ &serve, "--config /nowhere/leat.json",
		"/nowhere/leat.json cannot be read: No such file or directory" },
};

Test(options, mistakes_in_the_line_are_named_and_put_right)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_lines); i++) {
		struct call call;

		parse(&call, bad_lines[i].options, bad_lines[i].line);
		cr_assert(call.result < 0, "'%s' is taken", bad_lines[i].line);
		cr_assert(eq(str, call.err.text, (char *)bad_lines[i].why));
		cr_assert(eq(sz, call.out_len, 0));
		call_done(&call);
	}
}

static const struct {
	const char *name, *value, *why;
} bad_variables[] = {
	{ "LEAT_ITEM_MAX", "big",
		"LEAT_ITEM_MAX: 'big' is not a size such as 65536, 64k, 16MiB or 2G" },
	{ "LEAT_LOG", "", "LEAT_LOG: '' is none of text|json" },
	{ "LEAT_STAGES", "/a::/b", "LEAT_STAGES: the name of a folder is empty" },
	{ "LEAT_FLUSH_MS", "0", "LEAT_FLUSH_MS: '0' is too small; it may be 1 ms to 1 min" },
	{ "LEAT_CONFIG", "/nowhere", "/nowhere cannot be read: No such file or directory" },
};

Test(options, mistakes_in_the_environment_name_the_variable)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_variables); i++) {
		struct call call;

		setenv(bad_variables[i].name, bad_variables[i].value, 1);
		parse(&call, &serve, "");
		cr_assert(call.result < 0, "%s is taken", bad_variables[i].name);
		cr_assert(eq(str, call.err.text, (char *)bad_variables[i].why));
		call_done(&call);
		unsetenv(bad_variables[i].name);
	}
}

static const struct {
	const char *content, *why;
} bad_files[] = {
	{ "", ": line 1, column 1: there is nothing" },
	{ "[]", ": the file must hold one JSON object, as in {\"item_max\":\"4MiB\"}" },
	{ "{\"item_max\": }",
		": line 1, column 14: unexpected character, expected a valid JSON value" },
	{ "{\"data\":\"a\",\n \"data\":\"b\"}",
		": line 2, column 2: the key stands in this object already" },
	{ "{\"item_mx\":1}", ": /item_mx: there is no such setting; did you mean 'item_max'?" },
	{ "{\"item-max\":99}",
		": /item-max: there is no such setting; did you mean 'item_max'?" },
	{ "{\"colour\":1}", ": /colour: there is no such setting; see 'leat serve --help'" },
	{ "{\"item_max\":true}", ": /item_max: a whole number or a text such as \"64MiB\" or "
				 "\"10s\" is wanted here" },
	{ "{\"item_max\":-5}", ": /item_max: a whole number or a text such as \"64MiB\" or "
			       "\"10s\" is wanted here" },
	{ "{\"item_max\":1.5}", ": /item_max: a whole number or a text such as \"64MiB\" or "
				"\"10s\" is wanted here" },
	{ "{\"item_max\":\"9 bananas\"}",
		": /item_max: '9 bananas' is not a size such as 65536, 64k, 16MiB or 2G" },
	{ "{\"data\":7}", ": /data: a text is wanted here" },
	{ "{\"data\":[\"a\"]}", ": /data: a text is wanted here" },
	{ "{\"stages\":[\"a\",7]}", ": /stages/1: a text is wanted here" },
	{ "{\"stages\":[\"a\",[\"b\"]]}", ": /stages/1: a text is wanted here" },
	{ "{\"log\":\"loud\"}", ": /log: 'loud' is none of text|json" },
};

Test(options, mistakes_in_the_file_name_the_place)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_files); i++) {
		struct call call;
		char line[64];

		strcpy(path, "/tmp/leat-config-XXXXXX");
		write_file(bad_files[i].content);
		snprintf(line, sizeof(line), "--config %s", path);
		parse(&call, &serve, line);
		cr_assert(call.result < 0, "%s is taken", bad_files[i].content);
		cr_assert(strncmp(call.err.text, path, strlen(path)) == 0, "%s", call.err.text);
		cr_assert(strcmp(call.err.text + strlen(path), bad_files[i].why) == 0, "%s",
			call.err.text);
		call_done(&call);
		unlink(path);
	}
}

/* ---- help ---- */

Test(options, help_names_every_setting_of_the_command_with_default_and_variable)
{
	struct call call;

	parse(&call, &serve, "--help --item-max nonsense");
	cr_assert(call.result == 0, "%s", call.err.text);
	cr_assert(call.next == OPTIONS_DONE);
	for (unsigned i = 0; i < settings_count; i++) {
		char flag[64], env[SETTING_NAME_SIZE];

		snprintf(flag, sizeof(flag),
			settings_table[i].type == SETTING_YES ? "--%s " : "--%s=%s",
			settings_table[i].name, settings_table[i].metavar);
		setting_env_name(&settings_table[i], env);
		cr_assert(strstr(call.out, flag) != NULL, "%s is missing", flag);
		cr_assert(strstr(call.out, env) != NULL, "%s is missing", env);
	}
	cr_assert(strstr(call.out, "Examples:") != NULL);
	cr_assert(strstr(call.out, "64 GiB") != NULL);
	call_done(&call);
}

Test(options, help_of_a_command_shows_only_what_applies_to_it)
{
	struct call call;

	parse(&call, &run, "--help");
	cr_assert(call.next == OPTIONS_DONE);
	cr_assert(strstr(call.out, "--set=NAME=VALUE") != NULL, "%s", call.out);
	cr_assert(strstr(call.out, "--compute=COUNT") != NULL);
	cr_assert(strstr(call.out, "--listen") == NULL);
	call_done(&call);
}

Test(options, version_is_that_of_the_build)
{
	struct call call;

	parse(&call, &serve, "--version");
	cr_assert(call.next == OPTIONS_DONE);
	cr_assert(eq(str, call.out, (char *)("leat " LEAT_VERSION "\n")));
	call_done(&call);
}
