/* new-stage: a folder with all that a stage of one's own needs, ready to be built. */
#include "cli/new_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/command.h"
#include "job/text.h"

struct new_stage {
	const char *name;
	char id[TEXT_NAME_MAX + 1]; /* the name as a C identifier */
};

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct new_stage *stage = arg;

	(void)key;
	if (stage->name != NULL)
		return error_set(
			err, ERR_BAD_REQUEST, "one NAME is enough; '%.60s' is too many", value);
	stage->name = value;
	return 0;
}

/* ---- the texts ---- */

/* Append `text` with what stands for the name replaced. */
static int expand(const struct new_stage *stage, const char *text, struct buf *to)
{
	const struct {
		const char *mark, *value;
	} marks[] = { { "@NAME@", stage->name }, { "@ID@", stage->id } };

	while (*text != '\0') {
		size_t plain = strcspn(text, "@"), len = 1;
		const char *value = "@";

		if (buf_append(to, text, plain) < 0)
			return -1;
		text += plain;
		if (*text == '\0')
			break;
		for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
			if (strncmp(text, marks[i].mark, strlen(marks[i].mark)) == 0) {
				value = marks[i].value;
				len = strlen(marks[i].mark);
			}
		if (buf_append_str(to, value) < 0)
			return -1;
		text += len;
	}
	return 0;
}

static int path_of(const struct new_stage *stage, const char *name, struct buf *to)
{
	const char *rest = strncmp(name, "NAME", 4) == 0 ? name + 4 : name;

	return buf_printf(to, "%s/%s%s", stage->name, rest == name ? "" : stage->name, rest);
}

static int write_whole(const char *path, const struct buf *text, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	ssize_t written;

	if (fd < 0)
		return error_set(err, ERR_BAD_REQUEST, "%s: %s", path, strerror(errno));
	written = write(fd, text->data, text->len);
	if (close(fd) == 0 && written == (ssize_t)text->len)
		return 0;
	return error_set(err, ERR_BAD_REQUEST, "%s could not be written whole", path);
}

static int write_text(
	const struct new_stage *stage, const struct embedded_text *text, struct error *err)
{
	struct buf path = BUF_INIT, whole = BUF_INIT;
	int result;

	if (path_of(stage, text->name, &path) < 0 || expand(stage, text->text, &whole) < 0)
		result = error_no_memory(err);
	else
		result = write_whole(path.data, &whole, err);
	if (result == 0)
		printf("%s\n", path.data);
	buf_done(&path);
	buf_done(&whole);
	return result;
}

static int write_all(struct new_stage *stage, struct error *err)
{
	if (mkdir(stage->name, 0777) < 0)
		return error_set(err, ERR_BAD_REQUEST, "the folder %s: %s", stage->name,
			strerror(errno));
	for (const struct embedded_text *text = new_stage_texts; text->name != NULL; text++)
		if (write_text(stage, text, err) < 0)
			return -1;
	return 0;
}

/* ---- the command ---- */

static int check_name(struct new_stage *stage, struct error *err)
{
	size_t len = stage->name != NULL ? strlen(stage->name) : 0;

	if (len == 0)
		return error_set(err, ERR_BAD_REQUEST,
			"what shall it be called? As in: leat new-stage upper");
	if (!text_is_name(stage->name, len) || strchr("0123456789-", *stage->name) != NULL)
		return error_set(err, ERR_BAD_REQUEST,
			"'%.60s' cannot be a stage's name: 1 to %d letters, digits, '_' or '-', "
			"a letter first",
			stage->name, TEXT_NAME_MAX);
	for (size_t i = 0; i <= len; i++)
		stage->id[i] = stage->name[i] == '-' ? '_' : stage->name[i];
	return 0;
}

static void say_what_next(const struct new_stage *stage)
{
	printf("\nBuild it, run its cases, use it:\n\n"
	       "  cd %s\n"
	       "  meson setup build && ninja -C build\n"
	       "  leat test-stage build/%s.so cases.ndjson\n"
	       "  leat run %s --stages build --set %s.field=text <in.ndjson\n",
		stage->name, stage->name, stage->name, stage->name);
}

static const struct argp_option rows[] = {
	{ NULL, 0, NULL, 0, "", 1 },
	ARGS_HELP_ROW(1),
	ARGS_VERSION_ROW(1),
	{ 0 },
};

int command_new_stage(int argc, char **argv)
{
	struct new_stage stage = { 0 };
	const struct args args = { .name = "leat new-stage",
		.args_doc = "NAME",
		.about =
			"Write a folder NAME with a stage that builds: its code, meson.build, page "
			"and cases. It needs the installed headers (pkg-config leat-stage) and "
			"jansson.",
		.rows = rows,
		.take = take,
		.arg = &stage };
	enum args_next next;
	struct error err;

	if (args_parse(&args, argc, argv, stdout, &next, &err) < 0)
		return command_fail(args.name, &err, EXIT_USAGE);
	if (next == ARGS_DONE)
		return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
	if (check_name(&stage, &err) < 0 || write_all(&stage, &err) < 0)
		return command_fail(args.name, &err, EXIT_USAGE);
	say_what_next(&stage);
	return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}
