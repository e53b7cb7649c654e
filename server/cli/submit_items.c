/* submit: files and standard input, on their way to the job. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/submit.h"
#include "client/shown.h"
#include "client/upload.h"

#define INVALID_MAX 100 /* lines that are named */
#define STATUS_NS   (200 * NS_PER_MS)

/* Where items come from. */
struct origin {
	const char *path; /* "-": standard input */
	const char *name; /* for people */
	bool json, csv;
	const char *encoding;
};

/* One file's upload. */
struct sending {
	struct submit *submit;
	const struct origin *origin;
	uint64_t invalid;
};

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

/* What a file is says its name: orders.ndjson, orders.json, orders.ndjson.gz, orders.zst. */
static struct origin origin_of(const struct submit *submit, const char *path)
{
	bool dash = strcmp(path, "-") == 0;
	struct origin origin = { .path = path, .name = dash ? "standard input" : path };
	size_t len = strlen(path);

	if (ends_with(path, len, ".gz")) {
		origin.encoding = "gzip";
		len -= 3;
	} else if (ends_with(path, len, ".zst")) {
		origin.encoding = "zstd";
		len -= 4;
	}
	origin.json = submit->array || ends_with(path, len, ".json");
	origin.csv = !origin.json && (submit->csv || ends_with(path, len, ".csv"));
	return origin;
}

int submit_check_files(struct submit *submit)
{
	struct stat status;
	struct error err;

	for (unsigned i = 0; i < submit->path_count; i++) {
		const char *path = submit->paths[i];

		if (strcmp(path, "-") == 0)
			continue;
		if (access(path, R_OK) < 0)
			error_set(&err, ERR_BAD_REQUEST, "%.200s cannot be read: %m", path);
		else if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
			error_set(&err, ERR_BAD_REQUEST, "%.200s is a folder", path);
		else
			continue;
		return client_fail(&submit->client, &err, EXIT_USAGE);
	}
	return EXIT_OK;
}

/* ---- what is seen meanwhile ---- */

bool submit_has_status(const struct submit *submit)
{
	return isatty(STDERR_FILENO) && !(submit->results && client_is_terminal());
}

void submit_status(struct submit *submit, const char *text)
{
	uint64_t now_ns = clock_mono_ns();

	if (text == NULL) {
		if (submit->drawn_ns != 0)
			fputs("\r\033[K", stderr);
		submit->drawn_ns = 0;
		return;
	}
	if (submit->drawn_ns != 0 && now_ns - submit->drawn_ns < STATUS_NS)
		return;
	fprintf(stderr, "\r\033[K%s", text);
	submit->drawn_ns = now_ns;
}

void submit_trouble(void *arg, const char *why)
{
	struct submit *submit = arg;

	submit_status(submit, NULL);
	client_trouble(&submit->client, why);
}

static void on_progress(void *arg, uint64_t lines, uint64_t bytes)
{
	const struct sending *sending = arg;
	char count[SHOWN_SIZE], size[SHOWN_SIZE], text[160];

	if (!submit_has_status(sending->submit))
		return;
	shown_count(lines, count);
	shown_bytes(bytes, size);
	snprintf(text, sizeof(text), "%.60s: %s lines, %s stored", sending->origin->name, count,
		size);
	submit_status(sending->submit, text);
}

static void on_trouble(void *arg, const char *why)
{
	const struct sending *sending = arg;

	submit_trouble(sending->submit, why);
}

static void on_invalid(void *arg, uint64_t line, const char *why)
{
	struct sending *sending = arg;
	struct buf text = BUF_INIT;

	if (++sending->invalid > INVALID_MAX)
		return;
	submit_status(sending->submit, NULL);
	if (shown_text(why, &text) == 0 && buf_append(&text, "", 1) == 0)
		fprintf(stderr, "%s: %s: line %llu: %s; passed over\n",
			sending->submit->client.command->name, sending->origin->name,
			(unsigned long long)line, text.data);
	buf_done(&text);
}

/* ---- how it ended ---- */

/* What is stored stays, and what is missing can be sent later. */
static void say_how_to_go_on(const struct submit *submit)
{
	fprintf(stderr,
		"%s: what was stored stays in the job %s, which waits for more: go on with\n"
		"  leat submit --job %s --key %s\n"
		"and the same input, or 'leat close' it as it is, or 'leat cancel' it\n",
		submit->client.command->name, submit->id, submit->id, submit->key);
}

static int code_of(struct sending *sending, struct upload *upload, enum upload_result result)
{
	struct submit *submit = sending->submit;
	struct error err;
	int code;

	submit_status(submit, NULL);
	switch (result) {
	case UPLOAD_STORED:
		return EXIT_OK;
	case UPLOAD_REFUSED:
		code = submit_refused(
			submit, &upload->reply, sending->origin->name, upload->first_line);
		break;
	case UPLOAD_INTERRUPTED:
		code = submit_interrupted(submit);
		break;
	default:
		error_set(&err, ERR_BAD_REQUEST, "%.100s: %.240s", sending->origin->name,
			upload->err.text);
		code = client_fail(&submit->client, &err,
			result == UPLOAD_UNREADABLE ? EXIT_USAGE : EXIT_FAILED);
		break;
	}
	if (result != UPLOAD_REFUSED || upload->reply.status == 422 ||
		upload->reply.status == 413)
		say_how_to_go_on(submit);
	return code;
}

/* ---- sending ---- */

/* Of several files each has a key of its own. */
static void key_of(const struct submit *submit, unsigned index, char ret[static 256])
{
	if (submit->path_count > 1)
		snprintf(ret, 256, "%.240s.%u", submit->key, index + 1);
	else
		snprintf(ret, 256, "%.250s", submit->key);
}

static enum upload_result send_lines(
	struct submit *submit, struct upload *upload, const struct origin *origin, int fd)
{
	enum upload_result result;
	struct chunks chunks;

	if (strcmp(origin->path, "-") == 0) /* its first line may have been the pipeline */
		return upload_lines(upload, &submit->input);
	chunks_init(&chunks, fd, submit->wake_fd);
	result = upload_lines(upload, &chunks);
	chunks_done(&chunks);
	return result;
}

static int send_from(struct submit *submit, const struct origin *origin, unsigned index, int fd)
{
	struct sending sending = { submit, origin, 0 };
	enum upload_result result;
	struct upload upload;
	char key[256], query[64];
	int code;

	key_of(submit, index, key);
	snprintf(query, sizeof(query), "%s%s%s", submit->infer ? "&infer=true" : "",
		submit->delimiter != NULL ? "&delimiter=" : "",
		submit->delimiter != NULL ? submit->delimiter : "");
	upload_init(&upload, &(struct upload_config){ .remote = submit->client.remote,
				     .job = submit->id,
				     .key = key,
				     .json = origin->json,
				     .csv = origin->csv,
				     .query = origin->csv ? query : NULL,
				     .encoding = origin->encoding,
				     .skip_invalid = submit->skip_invalid,
				     .resume = submit->key != submit->own_key,
				     .patience_ms = submit->patience_ms,
				     .interrupt_fd = submit->wake_fd,
				     .arg = &sending,
				     .progress = on_progress,
				     .trouble = on_trouble,
				     .invalid = on_invalid });
	result = origin->json || origin->csv || origin->encoding != NULL
			 ? upload_whole(&upload, fd)
			 : send_lines(submit, &upload, origin, fd);
	code = code_of(&sending, &upload, result);
	upload_done(&upload);
	if (sending.invalid > INVALID_MAX)
		fprintf(stderr, "%s: %s: and more lines that were passed over\n",
			submit->client.command->name, origin->name);
	return code;
}

static int send_file(struct submit *submit, const char *path, unsigned index)
{
	const struct origin origin = origin_of(submit, path);
	bool dash = strcmp(path, "-") == 0;
	int fd = dash ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), code;
	struct error err;

	if (fd < 0) {
		error_set(&err, ERR_BAD_REQUEST, "%.200s cannot be read: %m", path);
		code = client_fail(&submit->client, &err, EXIT_USAGE);
		say_how_to_go_on(submit);
		return code;
	}
	if (dash && isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
		fprintf(stderr, "%s: reading items from the terminal; Ctrl-D ends them\n",
			submit->client.command->name);
	code = send_from(submit, &origin, index, fd);
	if (!dash)
		close(fd);
	return code;
}

int submit_send(struct submit *submit)
{
	int code = EXIT_OK;

	if (submit->has_source)
		return EXIT_OK;
	if (submit->path_count == 0)
		return send_file(submit, "-", 0);
	for (unsigned i = 0; i < submit->path_count && code == EXIT_OK; i++)
		code = send_file(submit, submit->paths[i], i);
	return code;
}
