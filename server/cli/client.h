/*
 * client: what the commands that talk to a server have in common.
 *
 *	leat ls --server http://build:8080 --token … --json
 *
 * The line is read (cli/args.h) with --server and --token, which may also stand in LEAT_SERVER
 * and LEAT_TOKEN, and with --json where there is something to show; the rest is each command's
 * own. Their exit codes are those of cli/command.h: 1 also when no server answers.
 *
 * Thread: main.
 */
#ifndef LEAT_CLI_CLIENT_H
#define LEAT_CLI_CLIENT_H

#include <argp.h>
#include <stdbool.h>

#include "base/error.h"
#include "client/remote.h"

#define CLIENT_OWN_MAX 24

struct client_command {
	const char *name; /* "leat ls" */
	const char *args_doc;
	const char *intro, *examples;
	/* Keys from 1 to 255; NULL, or ends with a zero row. */
	const struct argp_option *own;
	int (*take)(void *arg, int key, const char *value, struct error *err);
	bool has_json;
};

struct client {
	const struct client_command *command;
	const char *server, *token; /* as given; NULL: not */
	bool json;
	int signal_fd; /* SIGINT and SIGTERM, once they are caught; -1 */
	struct remote *remote;
	void *arg; /* the command's */
};

/* Reads the line. Returns -1 when the command is to go on, else the exit code. */
int client_begin(struct client *client, const struct client_command *command, int argc,
	char **argv, void *arg);
/* Makes `remote`; same returns. */
int client_open(struct client *client);
/* Everything is given back; answers `code`, or what the end of the output made of it. */
int client_end(struct client *client, int code);

/* "leat ls: …" to stderr; returns `code`. */
int client_fail(const struct client *client, const struct error *err, int code);

#endif
