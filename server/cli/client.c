#include "cli/client.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/json_parse.h"
#include "base/json_text.h"
#include "cli/args.h"
#include "cli/command.h"
#include "client/problem.h"
#include "client/shown.h"

enum { KEY_SERVER = 0x200, KEY_TOKEN, KEY_CACERT, KEY_CERT, KEY_KEY, KEY_JSON };

#define GROUP         90
#define COLUMNS_USUAL 80
/* Nothing is cut in what is no terminal. */
#define COLUMNS_OF_A_FILE 4096
#define ROWS_MAX          (CLIENT_OWN_MAX + 12)

/* ---- the line ---- */

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct client *client = arg;
	const struct client_command *command = client->command;

	if (key == KEY_SERVER)
		client->server = value;
	else if (key == KEY_TOKEN)
		client->token = value;
	else if (key == KEY_CACERT)
		client->cacert = value;
	else if (key == KEY_CERT)
		client->cert = value;
	else if (key == KEY_KEY)
		client->key = value;
	else if (key == KEY_JSON)
		client->json = true;
	else if (command->take != NULL)
		return command->take(client->arg, key, value, err);
	else
		return error_set(
			err, ERR_BAD_REQUEST, "the argument '%.60s' is one too many", value);
	return 0;
}

static void make_rows(const struct client_command *command, struct argp_option *to)
{
	for (const struct argp_option *row = command->own;
		row != NULL && (row->name != NULL || row->doc != NULL); row++)
		*to++ = *row;
	*to++ = (struct argp_option){ .doc = "And:", .group = GROUP };
	if (command->has_json)
		*to++ = (struct argp_option){ "json", KEY_JSON, NULL, 0,
			"for programs: JSON, an object a line", GROUP };
	*to++ = (struct argp_option){ "server", KEY_SERVER, "URL", 0,
		"where leat serve is, http://…, https://… or unix:/PATH (default: " REMOTE_DEFAULT
		"; LEAT_SERVER)",
		GROUP };
	*to++ = (struct argp_option){ "token", KEY_TOKEN, "TOKEN", 0,
		"sent as a bearer token, for a server or proxy that asks for one (LEAT_TOKEN, "
		"where other users of this machine cannot see it)",
		GROUP };
	*to++ = (struct argp_option){ "cacert", KEY_CACERT, "FILE", 0,
		"the authority (PEM) whose signature on an https server's certificate counts "
		"(LEAT_CACERT)",
		GROUP };
	*to++ = (struct argp_option){ "cert", KEY_CERT, "FILE", 0,
		"show an https server this certificate (PEM; LEAT_CERT)", GROUP };
	*to++ = (struct argp_option){ "cert-key", KEY_KEY, "FILE", 0,
		"its private key, if that is not in the same file (LEAT_CERT_KEY)", GROUP };
	*to++ = (struct argp_option)ARGS_HELP_ROW(GROUP);
	*to = (struct argp_option)ARGS_VERSION_ROW(GROUP);
}

static int parse(struct client *client, int argc, char **argv, enum args_next *ret_next,
	struct error *err)
{
	const struct client_command *command = client->command;
	struct argp_option rows[ROWS_MAX] = { 0 };
	struct buf about = BUF_INIT;
	struct args args = { .name = command->name,
		.args_doc = command->args_doc,
		.rows = rows,
		.take = take,
		.arg = client };
	int result;

	if (buf_printf(&about, "%s\v%s", command->intro,
		    command->examples != NULL ? command->examples : "") < 0)
		return error_no_memory(err);
	make_rows(command, rows);
	args.about = about.data;
	result = args_parse(&args, argc, argv, stdout, ret_next, err);
	buf_done(&about);
	return result;
}

/* An empty variable is one that was not set. */
static const char *variable(const char *name)
{
	const char *text = getenv(name);

	return text != NULL && *text != '\0' ? text : NULL;
}

int client_begin(struct client *client, const struct client_command *command, int argc,
	char **argv, void *arg)
{
	enum args_next next;
	struct error err;

	*client = (struct client){ .command = command,
		.server = variable("LEAT_SERVER"),
		.token = variable("LEAT_TOKEN"),
		.cacert = variable("LEAT_CACERT"),
		.cert = variable("LEAT_CERT"),
		.key = variable("LEAT_CERT_KEY"),
		.signal_fd = -1,
		.arg = arg };
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	if (parse(client, argc, argv, &next, &err) < 0) {
		fprintf(stderr, "%s: %s\nTry '%s --help'.\n", command->name, err.text,
			command->name);
		return EXIT_USAGE;
	}
	return next == ARGS_DONE ? client_end(client, EXIT_OK) : -1;
}

int client_open_with(struct client *client, int interrupt_fd)
{
	const struct remote_config config = { .url = client->server,
		.token = client->token,
		.cacert = client->cacert,
		.cert = client->cert,
		.key = client->key,
		.interrupt_fd = interrupt_fd };
	struct error err;

	if (remote_open(&client->remote, &config, &err) == 0)
		return -1;
	return client_fail(client, &err, err.code == ERR_NO_MEMORY ? EXIT_FAILED : EXIT_USAGE);
}

int client_open(struct client *client)
{
	return client_open_with(client, client->signal_fd);
}

/* What kept standard output from being written first; 0: nothing. */
static int output_errno;

static int output_failed(void)
{
	if (output_errno == 0)
		output_errno = errno;
	return -1;
}

int client_write(const void *bytes, size_t len)
{
	return fwrite(bytes, 1, len, stdout) == len ? 0 : output_failed();
}

bool client_output_failed(void)
{
	return output_errno != 0;
}

int client_flush(void)
{
	return fflush(stdout) == 0 ? 0 : output_failed();
}

/* Who reads our output may leave early, as `head` does: then end as if SIGPIPE had come. */
static int end_output(const struct client *client, int code)
{
	if (client_flush() == 0 && !ferror(stdout))
		return code;
	if (output_errno == EPIPE)
		return EXIT_SIGNAL + SIGPIPE;
	errno = output_errno;
	fprintf(stderr, "%s: the output cannot be written: %m\n", client->command->name);
	return EXIT_FAILED;
}

int client_end(struct client *client, int code)
{
	remote_close(client->remote);
	client->remote = NULL;
	if (client->signal_fd >= 0)
		close(client->signal_fd);
	client->signal_fd = -1;
	return end_output(client, code);
}

/* ---- signals ---- */

int client_catch_signals(struct client *client, int also, int also2)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (also != 0)
		sigaddset(&set, also);
	if (also2 != 0)
		sigaddset(&set, also2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	client->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return client->signal_fd >= 0 ? 0 : -1;
}

int client_next_signal(struct client *client)
{
	struct signalfd_siginfo info;

	if (read(client->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

int client_signal(struct client *client)
{
	int found = 0;

	for (int number; (number = client_next_signal(client)) != 0;)
		found = number;
	return found;
}

/* ---- what is said ---- */

int client_fail(const struct client *client, const struct error *err, int code)
{
	fprintf(stderr, "%s: %s\n", client->command->name, err->text);
	return code;
}

int client_missing(const struct client *client, const char *what)
{
	fprintf(stderr, "%s: %s\nTry '%s --help'.\n", client->command->name, what,
		client->command->name);
	return EXIT_USAGE;
}

int client_refused_at(const struct client *client, const struct remote_reply *reply,
	const char *where, uint64_t first_line)
{
	struct buf text = BUF_INIT;

	if (problem_text(client->remote, reply, first_line, &text) == 0 &&
		buf_append(&text, "", 1) == 0)
		fprintf(stderr, "%s: %s%s%s\n", client->command->name, where,
			*where != '\0' ? ": " : "", text.data);
	buf_done(&text);
	return problem_is_mistake(reply) ? EXIT_USAGE : EXIT_FAILED;
}

int client_refused(const struct client *client, const struct remote_reply *reply)
{
	return client_refused_at(client, reply, "", 0);
}

int client_failed_call(
	struct client *client, const struct remote_reply *reply, const struct error *err)
{
	if (reply->interrupted)
		return EXIT_SIGNAL + client_signal(client);
	return client_fail(
		client, err, err->code == ERR_BAD_REQUEST ? EXIT_USAGE : EXIT_FAILED);
}

/* ---- calls ---- */

int client_call(
	struct client *client, const struct remote_request *request, struct remote_reply *reply)
{
	struct error err;

	if (remote_call(client->remote, request, reply, &err) < 0)
		return client_failed_call(client, reply, &err);
	return reply->status / 100 == 2 ? EXIT_OK : client_refused(client, reply);
}

int client_get_json(struct client *client, const struct remote_request *request, json_t **ret)
{
	struct remote_reply reply = REMOTE_REPLY_INIT;
	int code = client_call(client, request, &reply);
	struct error err, why = { 0 };

	if (code == EXIT_OK) {
		*ret = json_parse(reply.body.data, reply.body.len, JSON_ALLOW_NUL, &why);
		if (*ret == NULL) {
			error_set(&err, ERR_BAD_REQUEST,
				"what %s answers is not JSON; is that a leat server? (%s)",
				remote_url(client->remote), why.text);
			code = client_fail(client, &err, EXIT_USAGE);
		}
	}
	remote_reply_done(&reply);
	return code;
}

char *client_path(const char *format, ...)
{
	char *path = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&path, format, args) < 0)
		path = NULL;
	va_end(args);
	return path;
}

/* ---- standard output ---- */

bool client_is_terminal(void)
{
	static int known = -1;

	if (known < 0)
		known = isatty(STDOUT_FILENO);
	return known > 0;
}

bool client_is_dumb(void)
{
	const char *term = variable("TERM");

	return term != NULL && strcmp(term, "dumb") == 0;
}

void client_style(struct view_style *ret)
{
	struct winsize window;

	*ret = (struct view_style){ .columns = COLUMNS_OF_A_FILE };
	if (!client_is_terminal())
		return;
	ret->columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0
			       ? window.ws_col
			       : COLUMNS_USUAL;
	ret->blocks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	ret->color = variable("NO_COLOR") == NULL && !client_is_dumb();
}

int client_put_json(const char *json, size_t len)
{
	struct buf shown = BUF_INIT;
	int result = 0;

	if (!client_is_terminal())
		return client_write(json, len);
	if (shown_json(json, len, &shown) < 0 || client_write(shown.data, shown.len) < 0)
		result = -1;
	buf_done(&shown);
	return result;
}

int client_put_value(const json_t *value)
{
	_auto_free_ char *text =
		json_text(value, JSON_ENCODE_ANY | JSON_COMPACT | json_text_reals(value));

	if (text == NULL)
		return -1;
	return client_put_json(text, strlen(text)) < 0 ? -1 : client_write("\n", 1);
}

int client_put_page(struct page *page)
{
	bool good = !page->failed && client_write(page->text.data, page->text.len) == 0;

	page_done(page);
	return good ? EXIT_OK : EXIT_FAILED;
}
