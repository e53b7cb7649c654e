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
#include "client/view.h"

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
	const char *server, *token, *cacert, *cert, *key; /* as given; NULL: not */
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
/* With a descriptor that ends calls when it can be read, instead of signal_fd. */
int client_open_with(struct client *client, int interrupt_fd);
/* Everything is given back; answers `code`, or what the end of the output made of it. */
int client_end(struct client *client, int code);

/*
 * From now on SIGINT, SIGTERM (and what `also` names, 0: nothing) do not end the program but
 * can be read from signal_fd, and a call that they come into ends. Before client_open().
 */
int client_catch_signals(struct client *client, int also, int also2);
/* The signal that came, 0: none; of several the last one. */
int client_signal(struct client *client);
/* One after the other. */
int client_next_signal(struct client *client);

/* "leat ls: …" to stderr; returns `code`. */
int client_fail(const struct client *client, const struct error *err, int code);
/* An argument is missing: says so; returns EXIT_USAGE. */
int client_missing(const struct client *client, const char *what);
/* The reply says no: the problem to stderr; returns the exit code that this is. */
int client_refused(const struct client *client, const struct remote_reply *reply);
/* The same about `where` (a file), the lines of which are counted from `first_line`. */
int client_refused_at(const struct client *client, const struct remote_reply *reply,
	const char *where, uint64_t first_line);
/* The call that failed with `err`, the same. */
int client_failed_call(
	struct client *client, const struct remote_reply *reply, const struct error *err);
/* A call whose reply is to be 2xx: EXIT_OK, or what the two above return. */
int client_call(struct client *client, const struct remote_request *request,
	struct remote_reply *reply);
/* The same, with a reply that is JSON. Owner of *ret: caller. */
int client_get_json(struct client *client, const struct remote_request *request, json_t **ret);

/*
 * Which job is meant: its id, the beginning of an id that no other job has, or a name that no
 * other job has. EXIT_OK, or it was said why not.
 */
#define CLIENT_ID_SIZE 64
int client_find_job(
	struct client *client, const char *word, char ret_id[static CLIENT_ID_SIZE]);
/* A request's path: `format` with the id. Owner: caller, by mem_free(); NULL without memory. */
char *client_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How long a server may be away: --retry-for, "2m". ERR_BAD_REQUEST. */
#define CLIENT_RETRY_ROW(key, group)                                                                  \
	{                                                                                             \
		"retry-for", key, "TIME", 0,                                                          \
			"how long to go on trying while the server does not answer (default: 2 min)", \
			group                                                                         \
	}
int client_take_patience(const char *value, uint64_t *ret_ms, struct error *err);
/* Says on stderr that it is being tried again, or (NULL) that it goes on. `arg`: the client. */
void client_trouble(void *arg, const char *why);
/* What a job came to, on stderr, unless all is well: EXIT_OK or EXIT_FAILED. */
int client_outcome(const struct client *client, const json_t *job);

/* The terminal that standard output is; blocks and colour as its user wants them. */
void client_style(struct view_style *ret);
bool client_is_terminal(void);
bool client_is_dumb(void);
/* To standard output; -1 and client_end() will say why not. */
int client_write(const void *bytes, size_t len);
int client_flush(void);
bool client_output_failed(void);
/* JSON to standard output, harmless where that is a terminal. */
int client_put_json(const char *json, size_t len);
int client_put_value(const json_t *value);
/* A page to standard output; its memory is given back. EXIT_OK. */
int client_put_page(struct page *page);

#endif
