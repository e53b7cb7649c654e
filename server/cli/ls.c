/* ls: the jobs of a server, newest first. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/command.h"
#include "job/text.h"

#define PAGE        1000
#define LIMIT_USUAL 50

enum { KEY_STATE = 1, KEY_NAME, KEY_LABEL, KEY_LIMIT, KEY_ALL };

static const struct argp_option own_options[] = {
	{ NULL, 0, NULL, 0, "Which jobs:", 1 },
	{ "state", KEY_STATE, "STATE", 0,
		"in this state: running, paused, finishing, succeeded, failed or cancelled",
		1 },
	{ "name", KEY_NAME, "NAME", 0, "of this name", 1 },
	{ "label", KEY_LABEL, "KEY=VALUE", 0, "with this label; may be repeated", 1 },
	{ "limit", KEY_LIMIT, "COUNT", 0, "at most so many, newest first (default: 50)", 1 },
	{ "all", KEY_ALL, NULL, 0, "all of them", 1 },
	{ 0 },
};

struct ls {
	struct buf query; /* "&state=running" */
	unsigned long long limit, shown;
	char after[512];
};

static int no_memory_if(int failed, struct error *err)
{
	return failed != 0 ? error_no_memory(err) : 0;
}

static int add_filter(struct ls *ls, const char *key, const char *value, struct error *err)
{
	return no_memory_if(
		buf_printf(&ls->query, "&%s=", key) | remote_escape(value, &ls->query), err);
}

static int add_label(struct ls *ls, const char *text, struct error *err)
{
	const char *equals = strchr(text, '=');
	_auto_free_ char *key = mem_strndup(text, equals != NULL ? (size_t)(equals - text) : 0);

	if (equals == NULL || equals == text)
		return error_set(err, ERR_BAD_REQUEST, "--label: write KEY=VALUE");
	if (key == NULL)
		return error_no_memory(err);
	return no_memory_if(
		buf_append_str(&ls->query, "&label.") | remote_escape(key, &ls->query) |
			buf_append_str(&ls->query, "=") | remote_escape(equals + 1, &ls->query),
		err);
}

static int take(void *arg, int key, const char *value, struct error *err)
{
	struct ls *ls = arg;

	switch (key) {
	case KEY_STATE:
		return add_filter(ls, "state", value, err);
	case KEY_NAME:
		return add_filter(ls, "name", value, err);
	case KEY_LABEL:
		return add_label(ls, value, err);
	case KEY_ALL:
		ls->limit = ~0ull;
		return 0;
	case KEY_LIMIT:
		if (text_to_uint(value, 1000000000, &ls->limit) && ls->limit > 0)
			return 0;
		return error_set(err, ERR_BAD_REQUEST,
			"--limit: '%.40s' is not a whole number such as 50", value);
	default:
		return error_set(err, ERR_BAD_REQUEST,
			"the argument '%.60s' is one too many; --name or 'leat show' look for a "
			"job",
			value);
	}
}

/* ---- a page of the list ---- */

static char *path_of(struct ls *ls)
{
	unsigned long long limit = MIN(ls->limit - ls->shown, (unsigned long long)PAGE);

	return client_path("/v1/jobs?limit=%llu%.*s%s%s", limit, (int)ls->query.len,
		ls->query.len > 0 ? ls->query.data : "", ls->after[0] != '\0' ? "&after=" : "",
		ls->after);
}

static int put_json(const json_t *jobs)
{
	const json_t *job;
	size_t i;

	json_array_foreach(jobs, i, job)
	{
		if (client_put_value(job) < 0)
			return EXIT_FAILED;
	}
	return EXIT_OK;
}

static int put_table(const json_t *jobs, bool heading)
{
	struct view_style style;
	struct page page;

	client_style(&style);
	page_init(&page, style.columns, style.color);
	view_jobs(&page, jobs, clock_wall_ms(), &style);
	if (!heading) { /* it stands above already */
		const char *end =
			page.text.len > 0 ? memchr(page.text.data, '\n', page.text.len) : NULL;

		if (end != NULL)
			buf_consume(&page.text, (size_t)(end + 1 - page.text.data));
	}
	return client_put_page(&page);
}

static int list_page(struct client *client, struct ls *ls)
{
	_auto_free_ char *path = path_of(ls);
	const struct remote_request request = { .path = path };
	json_auto_t *page = NULL;
	const json_t *jobs;
	int code = path != NULL ? client_get_json(client, &request, &page) : EXIT_FAILED;

	if (code != EXIT_OK)
		return code;
	jobs = json_object_get(page, "items");
	code = client->json ? put_json(jobs) : put_table(jobs, ls->shown == 0);
	ls->shown += json_array_size(jobs);
	snprintf(ls->after, sizeof(ls->after), "%s", view_string(page, "next"));
	return code;
}

static int list(struct client *client, struct ls *ls)
{
	int code;

	do
		code = list_page(client, ls);
	while (code == EXIT_OK && ls->after[0] != '\0' && ls->shown < ls->limit);
	return code;
}

int command_ls(int argc, char **argv)
{
	static const struct client_command command = {
		.name = "leat ls",
		.intro = "List the jobs of a server, newest first.",
		.examples =
			"Examples:\n"
			"  leat ls --state running\n"
			"  leat ls --label team=press --json | jq -r .id\n\n"
			"Where a screen is narrow, ids are cut; the other commands take the "
			"beginning of an id as well.",
		.own = own_options,
		.take = take,
		.has_json = true,
	};
	struct ls ls = { .limit = LIMIT_USUAL };
	struct client client;
	int code = client_begin(&client, &command, argc, argv, &ls);

	if (code < 0) {
		code = client_open(&client);
		code = client_end(&client, code >= 0 ? code : list(&client, &ls));
	}
	buf_done(&ls.query);
	return code;
}
