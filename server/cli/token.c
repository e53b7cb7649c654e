/* token: the file that says who may ask a server, and for what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/command.h"
#include "http/tokens_file.h"

enum {
	KEY_TOKENS = 't',
	KEY_NAME = 'n',
	KEY_SCOPE = 's',
	KEY_LABEL = 'l',
	KEY_JSON = 'j',
	KEY_NO_TOKEN = 'N'
};

struct order {
	const char *verb, *file, *name;
	unsigned scopes;
	json_t *labels; /* NULL: none */
	bool json, no_token;
};

/* ---- the line ---- */

static int take_scopes(struct order *order, const char *value, struct error *err)
{
	char copy[SCOPES_TEXT_SIZE], *rest = copy, *word;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", value) >= sizeof(copy))
		return error_set(err, ERR_BAD_REQUEST, "--scope: '%.60s' is too long", value);
	while ((word = strsep(&rest, ",")) != NULL) {
		enum scope scope = scope_parse(word);

		if (scope == SCOPE_NONE)
			return error_set(err, ERR_BAD_REQUEST,
				"--scope: '%s' is none of read, submit, operate, admin", word);
		order->scopes |= scope;
	}
	return 0;
}

static int take_label(struct order *order, const char *value, struct error *err)
{
	const char *equals = strchr(value, '=');
	_auto_free_ char *key = NULL;

	if (equals == NULL || equals == value || equals[1] == '\0')
		return error_set(err, ERR_BAD_REQUEST,
			"--label: '%.60s' is not KEY=VALUE, as in team=a", value);
	key = mem_strndup(value, (size_t)(equals - value));
	if (order->labels == NULL)
		order->labels = json_object();
	if (key == NULL || json_object_set_new(order->labels, key, json_string(equals + 1)) < 0)
		return error_no_memory(err);
	return 0;
}

/* The verb, then a name for `revoke`. */
static int take_word(struct order *order, const char *value, struct error *err)
{
	if (order->verb == NULL)
		order->verb = value;
	else if (strcmp(order->verb, "revoke") == 0 && order->name == NULL)
		order->name = value;
	else
		return error_set(
			err, ERR_BAD_REQUEST, "the argument '%.60s' is one too many", value);
	return 0;
}

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct order *order = arg;

	switch (key) {
	case KEY_TOKENS:
		order->file = value;
		return 0;
	case KEY_NAME:
		order->name = value;
		return 0;
	case KEY_SCOPE:
		return take_scopes(order, value, err);
	case KEY_LABEL:
		return take_label(order, value, err);
	case KEY_JSON:
		order->json = true;
		return 0;
	case KEY_NO_TOKEN:
		order->no_token = true;
		return 0;
	default:
		return take_word(order, value, err);
	}
}

/* ---- the file ---- */

/* None yet is as good as an empty one. */
static int read_file(const char *path, struct tokens **ret, struct error *err)
{
	struct error why;

	if (tokens_read(path, ret, &why) == 0)
		return 0;
	if (why.code == ERR_NOT_FOUND)
		return tokens_parse("", 0, path, ret, err);
	*err = why;
	return -1;
}

static int find(const struct tokens *tokens, const char *name)
{
	for (size_t at = 0; at < tokens->count; at++)
		if (strcmp(tokens->items[at].principal->name, name) == 0)
			return (int)at;
	return -1;
}

/* ---- new ---- */

static int check_new(const struct order *order, struct error *err)
{
	const char *mistake;

	if (order->name == NULL)
		return error_set(err, ERR_BAD_REQUEST,
			"whose is it? As in: leat token new --name ci --scope submit,read");
	mistake = token_name_mistake(order->name);
	if (mistake != NULL)
		return error_set(err, ERR_BAD_REQUEST, "--name: %s", mistake);
	if (order->scopes == 0)
		return error_set(err, ERR_BAD_REQUEST,
			"what may it do? As in --scope read,submit; there are read, submit, "
			"operate, and admin for everything");
	if (order->labels != NULL && (order->scopes & SCOPE_ADMIN) != 0)
		return error_set(err, ERR_BAD_REQUEST,
			"--label: the scope admin spans all labels; give read,submit,operate");
	return 0;
}

/* The file's own parser has the last word: what it does not take is never written. */
static int write_checked(const char *path, struct tokens *tokens, struct error *err)
{
	struct tokens *back = NULL;
	struct buf text = BUF_INIT;
	int result = -1;

	if (tokens_format(tokens, &text, err) == 0 &&
		tokens_parse(text.data, text.len, "the new token", &back, err) == 0)
		result = file_replace(path, text.data, text.len, TOKENS_FILE_MODE, err);
	tokens_free(back);
	buf_done(&text);
	return result;
}

static int add_new(const struct order *order, struct tokens *tokens, struct error *err)
{
	char text[TOKEN_TEXT_SIZE] = "";
	struct token token = { 0 };
	int result = -1;

	if (find(tokens, order->name) >= 0)
		return error_set(err, ERR_BAD_REQUEST,
			"there is a token '%s' already; revoke it first, or take another name",
			order->name);
	clock_format(clock_wall_ms(), token.created);
	token.principal = principal_new(order->name, order->scopes, order->labels);
	if (token.principal == NULL)
		return error_no_memory(err);
	if (!order->no_token)
		token_make(&token, text);
	if (tokens_add(tokens, &token, err) < 0)
		principal_unref(token.principal);
	else
		result = write_checked(order->file, tokens, err);
	if (result == 0 && !order->no_token)
		printf("%s\n", text);
	explicit_bzero(text, sizeof(text));
	return result;
}

/* ---- ls ---- */

static void print_labels(const json_t *labels)
{
	const char *key, *between = "";
	json_t *value;

	json_object_foreach((json_t *)labels, key, value)
	{
		printf("%s%s=%s", between, key, json_string_value(value));
		between = ",";
	}
}

static void print_table(const struct tokens *tokens)
{
	printf("%-24s %-29s %-25s %s\n", "NAME", "SCOPES", "CREATED", "LABELS");
	for (size_t at = 0; at < tokens->count; at++) {
		const struct token *token = &tokens->items[at];
		char scopes[SCOPES_TEXT_SIZE];

		scopes_text(token->principal->scopes, ",", scopes);
		printf("%-24s %-29s %-25s ", token->principal->name, scopes, token->created);
		print_labels(token->principal->labels);
		printf("%s\n", token->id[0] == '\0' ? "(no token)" : "");
	}
}

/* Without salt and hash: whoever lists has no use for them. */
static int print_json(const struct tokens *tokens, struct error *err)
{
	json_auto_t *list = json_array();
	char *text;

	for (size_t at = 0; at < tokens->count; at++) {
		const struct token *token = &tokens->items[at];

		json_array_append_new(list,
			json_pack("{s:s, s:b, s:o, s:o, s:s}", "name", token->principal->name,
				"token", token->id[0] != '\0', "scopes",
				scopes_to_json(token->principal->scopes), "labels",
				token->principal->labels != NULL
					? json_incref(token->principal->labels)
					: json_object(),
				"created", token->created));
	}
	text = json_text(list, JSON_INDENT(2));
	if (text == NULL || json_array_size(list) != tokens->count)
		return error_no_memory(err);
	printf("%s\n", text);
	mem_free(text);
	return 0;
}

/* ---- the verbs ---- */

static int verb_new(const struct order *order, struct tokens *tokens, struct error *err)
{
	return check_new(order, err) < 0 ? -1 : add_new(order, tokens, err);
}

static int verb_ls(const struct order *order, struct tokens *tokens, struct error *err)
{
	if (order->json)
		return print_json(tokens, err);
	print_table(tokens);
	return 0;
}

static int verb_revoke(const struct order *order, struct tokens *tokens, struct error *err)
{
	int at;

	if (order->name == NULL)
		return error_set(err, ERR_BAD_REQUEST,
			"which one? As in: leat token revoke ci; leat token ls lists them");
	at = find(tokens, order->name);
	if (at < 0)
		return error_set(err, ERR_BAD_REQUEST, "%s: there is no token '%s'",
			order->file, order->name);
	tokens_remove(tokens, (size_t)at);
	return write_checked(order->file, tokens, err);
}

static const struct verb {
	const char *name;
	int (*act)(const struct order *order, struct tokens *tokens, struct error *err);
	bool changes;
} verbs[] = {
	{ "new", verb_new, true },
	{ "ls", verb_ls, false },
	{ "revoke", verb_revoke, true },
};

static const struct verb *find_verb(const struct order *order, struct error *err)
{
	for (size_t at = 0; order->verb != NULL && at < ARRAY_SIZE(verbs); at++)
		if (strcmp(verbs[at].name, order->verb) == 0)
			return &verbs[at];
	error_set(err, ERR_BAD_REQUEST, "say what to do: leat token new, ls or revoke");
	return NULL;
}

static int carry_out(struct order *order, struct error *err)
{
	const struct verb *verb = find_verb(order, err);
	struct tokens *tokens = NULL;
	int result = -1, lock = -1;

	if (verb == NULL)
		return -1;
	if (order->file == NULL)
		order->file = getenv("LEAT_TOKENS");
	if (order->file == NULL || *order->file == '\0')
		return error_set(err, ERR_BAD_REQUEST,
			"which file? Give --tokens FILE, or set LEAT_TOKENS");
	/* Two who change it at once must not undo each other. */
	if (verb->changes && file_lock(order->file, &lock, err) < 0)
		return -1;
	if (read_file(order->file, &tokens, err) == 0)
		result = verb->act(order, tokens, err);
	tokens_free(tokens);
	if (lock >= 0)
		close(lock);
	return result;
}

static const struct argp_option rows[] = {
	{ NULL, 0, NULL, 0, "Where they stand:", 1 },
	{ "tokens", KEY_TOKENS, "FILE", 0, "the server's file (LEAT_TOKENS)", 1 },
	{ NULL, 0, NULL, 0, "A new one:", 2 },
	{ "name", KEY_NAME, "NAME", 0, "whose it is; stands in the audit log, and with jobs",
		2 },
	{ "scope", KEY_SCOPE, "SCOPES", 0,
		"what it may do, with commas between or repeated: read, submit, operate, admin",
		2 },
	{ "label", KEY_LABEL, "KEY=VALUE", 0,
		"it makes, sees and touches only jobs with this label; may be repeated", 2 },
	{ "no-token", KEY_NO_TOKEN, NULL, 0,
		"only a name with its scopes, for a certificate or a user of this machine", 2 },
	{ NULL, 0, NULL, 0, "And:", 3 },
	{ "json", KEY_JSON, NULL, 0, "ls: as JSON", 3 },
	ARGS_HELP_ROW(3),
	ARGS_VERSION_ROW(3),
	{ 0 },
};

int command_token(int argc, char **argv)
{
	struct order order = { 0 };
	const struct args args = { .name = "leat token",
		.args_doc = "new\nls\nrevoke NAME",
		.about =
			"Say who may ask a server, and for what: new makes a token and prints it, "
			"once; ls lists them; revoke takes one away. The file keeps only what is "
			"needed to know a token again. A server that runs reads it again on "
			"SIGHUP.\v"
			"read: look at jobs, results, events, metrics. submit: make jobs, send items. "
			"operate: change, pause, cancel, delete. admin: everything.\n\n"
			"Examples:\n"
			"  leat token new --tokens /etc/leat/tokens --name me --scope admin\n"
			"  leat token new --name ci --scope submit,read --label team=a\n"
			"  leat token revoke ci && systemctl reload leat",
		.rows = rows,
		.take = take,
		.arg = &order };
	enum args_next next;
	struct error err;
	int code = EXIT_OK;

	if (args_parse(&args, argc, argv, stdout, &next, &err) < 0 ||
		(next == ARGS_GO && carry_out(&order, &err) < 0))
		code = command_fail(args.name, &err, EXIT_USAGE);
	json_decref(order.labels);
	if (fflush(stdout) != 0)
		code = EXIT_FAILED;
	return code;
}
