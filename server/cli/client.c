#include "cli/client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/args.h"
#include "cli/command.h"

enum { KEY_SERVER = 0x200, KEY_TOKEN, KEY_JSON };

#define GROUP    90
#define ROWS_MAX (CLIENT_OWN_MAX + 8)

/* ---- the line ---- */

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct client *client = arg;
	const struct client_command *command = client->command;

	if (key == KEY_SERVER)
		client->server = value;
	else if (key == KEY_TOKEN)
		client->token = value;
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
		"where leat serve is (default: " REMOTE_DEFAULT "; LEAT_SERVER)", GROUP };
	*to++ = (struct argp_option){ "token", KEY_TOKEN, "TOKEN", 0,
		"sent as a bearer token, for a server or proxy that asks for one (LEAT_TOKEN, "
		"where other users of this machine cannot see it)",
		GROUP };
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
		.signal_fd = -1,
		.arg = arg };
	signal(SIGPIPE, SIG_IGN);
	if (parse(client, argc, argv, &next, &err) < 0) {
		fprintf(stderr, "%s: %s\nTry '%s --help'.\n", command->name, err.text,
			command->name);
		return EXIT_USAGE;
	}
	return next == ARGS_DONE ? client_end(client, EXIT_OK) : -1;
}

int client_open(struct client *client)
{
	const struct remote_config config = {
		.url = client->server, .token = client->token, .interrupt_fd = client->signal_fd
	};
	struct error err;

	if (remote_open(&client->remote, &config, &err) == 0)
		return -1;
	return client_fail(client, &err, err.code == ERR_NO_MEMORY ? EXIT_FAILED : EXIT_USAGE);
}

/* Who reads our output may leave early, as `head` does: then end as if SIGPIPE had come. */
static int end_output(const struct client *client, int code)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno == EPIPE)
		return EXIT_SIGNAL + SIGPIPE;
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

int client_fail(const struct client *client, const struct error *err, int code)
{
	fprintf(stderr, "%s: %s\n", client->command->name, err->text);
	return code;
}
