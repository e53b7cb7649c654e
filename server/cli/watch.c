/*
 * watch: a job, or all of them, drawn again and again until it is done or `q` is pressed.
 *
 * One thread waits for keys, signals and the server's replies at once. A job is asked for
 * with a long poll, so that what changes is seen at once and nothing is asked while nothing
 * changes; between two requests there is a pause. A server that goes away is waited for, with
 * the last picture left standing.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_parse.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "client/problem.h"

#define POLL_MS    10000 /* of a long poll */
#define CALM_MS    200   /* between two pictures of a job */
#define LIST_MS    1000  /* between two of all jobs, and two attempts */
#define LINE_MS    1000  /* between two lines, where there is no terminal */
#define LIST_LIMIT 200

enum ending { GO_ON, DONE, QUIT, GONE, SIGNALLED, REFUSED };

struct watch {
	struct client client;
	const char *word; /* NULL: all jobs */
	char id[CLIENT_ID_SIZE];
	struct terminal terminal;
	bool drawn; /* on the alternate screen, else line by line */
	json_t *seen;
	char *path;
	struct remote_request request;
	bool asking;
	uint64_t next_ns;   /* when to ask again */
	struct buf trouble; /* why nothing comes; empty: it does */
	struct remote_reply reply;
	struct buf last_line;
	int signal;
};

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct watch *watch = arg;

	if (watch->word != NULL)
		return error_set(
			err, ERR_BAD_REQUEST, "one JOB is enough; '%.60s' is too many", value);
	watch->word = value;
	return 0;
}

static bool is_over(const json_t *job)
{
	return json_is_true(json_object_get(job, "done"));
}

/* ---- the picture ---- */

static void put_seen(
	const struct watch *watch, struct page *page, const struct view_style *style)
{
	if (watch->seen == NULL)
		return;
	if (watch->word != NULL)
		view_job(page, watch->seen, style);
	else
		view_jobs(page, json_object_get(watch->seen, "items"), clock_wall_ms(), style);
}

static void put_foot(const struct watch *watch, struct page *page)
{
	page_line(page);
	if (watch->trouble.len > 0) {
		page_style(page, "1;31");
		page_text(page, watch->trouble.data);
		page_style(page, NULL);
	} else {
		page_style(page, "2");
		page_put(page, "q ends this view; the %s on",
			watch->word != NULL ? "job goes" : "jobs go");
		page_style(page, NULL);
	}
	page_line(page);
}

/* Behind it stands an empty line, the foot; they stay when there are more lines than rows. */
#define FOOT_ROWS 2

static void draw_screen(struct watch *watch)
{
	struct view_style style;
	struct page page, foot;
	unsigned columns, rows;
	const char *cut;

	client_style(&style);
	terminal_size(&columns, &rows);
	style.columns = columns;
	page_init(&page, columns, style.color);
	put_seen(watch, &page, &style);
	cut = page.text.data;
	for (unsigned i = 0; cut != NULL && i + FOOT_ROWS < rows && i < page.lines; i++)
		cut = strchr(cut, '\n') + 1;
	if (cut != NULL)
		page.text.len = (size_t)(cut - page.text.data);
	page_init(&foot, columns, style.color);
	put_foot(watch, &foot);
	if (!page.failed && !foot.failed &&
		buf_append(&page.text, foot.text.data, foot.text.len) == 0)
		terminal_draw(page.text.data, page.text.len, rows);
	page_done(&page);
	page_done(&foot);
}

/* One line, if it says something that the one before did not. */
static void draw_line(struct watch *watch)
{
	struct view_style style;
	struct page page;

	if (watch->seen == NULL)
		return;
	client_style(&style);
	page_init(&page, style.columns, false);
	if (watch->word != NULL) {
		view_line(&page, watch->seen);
		page_line(&page);
	} else {
		put_seen(watch, &page, &style);
		page_line(&page);
	}
	if (page.text.len != watch->last_line.len ||
		memcmp(page.text.data, watch->last_line.data, page.text.len) != 0)
		client_write(page.text.data, page.text.len);
	buf_done(&watch->last_line);
	watch->last_line = page.text;
	client_flush();
}

static void draw_json(struct watch *watch)
{
	if (watch->seen != NULL)
		client_put_value(watch->seen);
	client_flush();
}

static void draw(struct watch *watch)
{
	if (watch->drawn)
		draw_screen(watch);
	else if (watch->client.json)
		draw_json(watch);
	else
		draw_line(watch);
}

/* ---- asking ---- */

static void ask_in(struct watch *watch, unsigned ms)
{
	watch->next_ns = clock_mono_ns() + ms * NS_PER_MS;
}

static char *path_of(const struct watch *watch)
{
	if (watch->word == NULL)
		return client_path("/v1/jobs?limit=%d", LIST_LIMIT);
	if (watch->seen == NULL || watch->trouble.len > 0)
		return client_path("/v1/jobs/%s", watch->id);
	return client_path("/v1/jobs/%s?wait_ms=%d&version=%.0f", watch->id, POLL_MS,
		view_number(watch->seen, "version", NULL));
}

static void ask(struct watch *watch)
{
	struct error err;

	mem_free(watch->path);
	watch->path = path_of(watch);
	watch->request =
		(struct remote_request){ .path = watch->path, .timeout_ms = 3 * POLL_MS };
	watch->asking = watch->path != NULL &&
			remote_start(watch->client.remote, &watch->request, &err) == 0;
	if (!watch->asking)
		ask_in(watch, LIST_MS);
}

static void set_trouble(struct watch *watch, const char *why)
{
	bool news = watch->trouble.len == 0;

	buf_clear(&watch->trouble);
	buf_printf(&watch->trouble, "trying again: %s", why);
	buf_append(&watch->trouble, "", 1);
	if (news && !watch->drawn)
		client_trouble(&watch->client, why);
	if (watch->drawn)
		draw(watch);
	ask_in(watch, LIST_MS);
}

static void end_trouble(struct watch *watch)
{
	if (watch->trouble.len > 0 && !watch->drawn)
		client_trouble(&watch->client, NULL);
	buf_clear(&watch->trouble);
}

static enum ending take_picture(struct watch *watch)
{
	json_t *root =
		json_parse(watch->reply.body.data, watch->reply.body.len, JSON_ALLOW_NUL, NULL);

	if (!json_is_object(root)) {
		json_decref(root);
		set_trouble(watch, "what the server answers is not JSON");
		return GO_ON;
	}
	json_decref(watch->seen);
	watch->seen = root;
	end_trouble(watch);
	draw(watch);
	ask_in(watch, !watch->drawn ? LINE_MS : watch->word != NULL ? CALM_MS : LIST_MS);
	if (client_output_failed())
		return GONE;
	return watch->word != NULL && is_over(root) ? DONE : GO_ON;
}

static enum ending take_reply(struct watch *watch)
{
	struct error err;

	watch->asking = false;
	if (remote_end(watch->client.remote, &watch->reply, &err) < 0) {
		set_trouble(watch, err.text);
		return GO_ON;
	}
	if (watch->reply.status == 200)
		return take_picture(watch);
	if (!problem_may_pass(&watch->reply))
		return REFUSED;
	set_trouble(watch, "the server is not ready");
	return GO_ON;
}

/* ---- keys and signals ---- */

static enum ending read_keys(struct watch *watch)
{
	char keys[64];
	ssize_t got = read(STDIN_FILENO, keys, sizeof(keys));

	if (got <= 0) { /* nobody is there any more to press one */
		watch->terminal.keys = false;
		return got == 0 ? QUIT : GO_ON;
	}
	for (ssize_t i = 0; i < got; i++)
		if (keys[i] == 'q' || keys[i] == 'Q')
			return QUIT;
	if (watch->drawn)
		draw(watch);
	return GO_ON;
}

/* Ctrl-Z: the shell has its screen while we are stopped. */
static void stop(struct watch *watch)
{
	terminal_close(&watch->terminal);
	kill(getpid(), SIGSTOP);
	if (watch->drawn) {
		terminal_open(&watch->terminal);
		draw(watch);
	}
}

static enum ending take_signal(struct watch *watch)
{
	int number;

	while ((number = client_next_signal(&watch->client)) != 0) {
		if (number == SIGTSTP)
			stop(watch);
		else if (number == SIGWINCH && watch->drawn)
			draw(watch);
		else if (number != SIGWINCH) {
			watch->signal = number;
			return SIGNALLED;
		}
	}
	return GO_ON;
}

/* ---- the loop ---- */

static bool can_read(int fd)
{
	struct pollfd look = { .fd = fd, .events = POLLIN };

	return fd >= 0 && poll(&look, 1, 0) > 0;
}

static enum ending step(struct watch *watch)
{
	uint64_t now_ns = clock_mono_ns();
	int fds[] = { watch->client.signal_fd, watch->terminal.keys ? STDIN_FILENO : -1 };
	int wait_ms = POLL_MS;
	enum ending ending = GO_ON;

	if (!watch->asking && now_ns >= watch->next_ns)
		ask(watch);
	if (!watch->asking)
		wait_ms = (int)((MAX(watch->next_ns, now_ns) - now_ns) / NS_PER_MS) + 1;
	switch (remote_wait(watch->client.remote, fds, ARRAY_SIZE(fds), wait_ms)) {
	case REMOTE_OVER:
		return take_reply(watch);
	case REMOTE_WOKEN:
		if (can_read(fds[0]))
			ending = take_signal(watch);
		if (ending == GO_ON && can_read(fds[1]))
			ending = read_keys(watch);
		return ending;
	case REMOTE_TIMEOUT:
		break;
	}
	return GO_ON;
}

/* The last picture stays, on the ordinary screen. */
static void leave_picture(struct watch *watch)
{
	struct view_style style;
	struct page page;

	if (!watch->drawn || watch->seen == NULL || watch->word == NULL)
		return;
	client_style(&style);
	page_init(&page, style.columns, style.color);
	put_seen(watch, &page, &style);
	client_put_page(&page);
}

static int code_of(struct watch *watch, enum ending ending)
{
	switch (ending) {
	case DONE:
		return client_outcome(&watch->client, watch->seen);
	case REFUSED:
		return client_refused(&watch->client, &watch->reply);
	case SIGNALLED:
		return EXIT_SIGNAL + watch->signal;
	case GONE:
		return EXIT_FAILED; /* client_end() says more */
	default:
		return EXIT_OK;
	}
}

static int watch_it(struct watch *watch)
{
	enum ending ending;

	watch->drawn = client_is_terminal() && !watch->client.json && !client_is_dumb();
	if (watch->drawn)
		terminal_open(&watch->terminal);
	do
		ending = step(watch);
	while (ending == GO_ON);
	if (watch->asking) {
		struct error err;

		remote_end(watch->client.remote, &watch->reply, &err);
	}
	terminal_close(&watch->terminal);
	if (ending == DONE || ending == QUIT)
		leave_picture(watch);
	return code_of(watch, ending);
}

static int run(struct watch *watch)
{
	struct client *client = &watch->client;
	int code;

	client_catch_signals(client, SIGWINCH, client_is_terminal() ? SIGTSTP : 0);
	code = client_open(client);
	if (code < 0 && watch->word != NULL)
		code = client_find_job(client, watch->word, watch->id);
	return code > EXIT_OK ? code : watch_it(watch);
}

int command_watch(int argc, char **argv)
{
	static const struct client_command command = {
		.name = "leat watch",
		.args_doc = "[JOB]",
		.intro =
			"Watch a job until it is done, or all jobs: a page that is drawn again as "
			"it changes, with a bar for how busy each stage is and one for the queue "
			"in front of it. JOB is an id, the beginning of one, or a name that only "
			"one job has.",
		.examples =
			"Keys: q ends the view, not the job.\n\n"
			"Where standard output is no terminal it writes a line when something "
			"has changed, at most one a second. It exits with 0 when every item of "
			"JOB succeeded or q was pressed, and 1 when some failed or the job did. "
			"NO_COLOR takes the colours away.",
		.take = take,
		.has_json = true,
	};
	struct watch watch = { .reply = REMOTE_REPLY_INIT };
	int code = client_begin(&watch.client, &command, argc, argv, &watch);

	if (code < 0)
		code = client_end(&watch.client, run(&watch));
	json_decref(watch.seen);
	mem_free(watch.path);
	buf_done(&watch.trouble);
	buf_done(&watch.last_line);
	remote_reply_done(&watch.reply);
	return code;
}
