/* Which job a person means: an id, the beginning of one, or a name. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/units.h"
#include "client/shown.h"

#define ID_LEN 28
#define NAMED  5 /* of those that a word may mean */
#define PAGE   1000

#define PATIENCE_MAX_MS (365ull * 24 * 60 * 60 * 1000)

/* What has been found so far. */
struct search {
	const char *word;
	unsigned found;
	char ids[NAMED][CLIENT_ID_SIZE];
	char after[512];
	bool more;
};

static void add(struct search *search, const char *id)
{
	if (search->found < NAMED)
		snprintf(search->ids[search->found], CLIENT_ID_SIZE, "%s", id);
	search->found++;
}

static bool begins_with(const char *id, const char *word)
{
	return strncmp(id, word, strlen(word)) == 0 ||
	       (strncmp(id, "j_", 2) == 0 && strncmp(id + 2, word, strlen(word)) == 0);
}

/* One page of the list; those of it whose id begins with the word, or all. */
static int look(struct client *client, struct search *search, const char *path, bool all)
{
	const struct remote_request request = { .path = path };
	json_auto_t *page = NULL;
	const json_t *job;
	size_t i;
	int code = client_get_json(client, &request, &page);

	if (code != EXIT_OK)
		return code;
	json_array_foreach(json_object_get(page, "items"), i, job)
	{
		const char *id = view_string(job, "id");

		if (all || begins_with(id, search->word))
			add(search, id);
	}
	snprintf(search->after, sizeof(search->after), "%s", view_string(page, "next"));
	search->more = search->after[0] != '\0';
	return EXIT_OK;
}

static int look_by_name(struct client *client, struct search *search)
{
	struct buf path = BUF_INIT;
	int code = EXIT_FAILED;

	if (buf_printf(&path, "/v1/jobs?limit=%d&name=", NAMED) == 0 &&
		remote_escape(search->word, &path) == 0 && buf_append(&path, "", 1) == 0)
		code = look(client, search, path.data, true);
	buf_done(&path);
	return code;
}

static int look_by_beginning(struct client *client, struct search *search)
{
	int code = EXIT_OK;

	search->after[0] = '\0';
	search->more = true;
	while (code == EXIT_OK && search->more && search->found < NAMED) {
		_auto_free_ char *path = client_path("/v1/jobs?limit=%d%s%s", PAGE,
			search->after[0] != '\0' ? "&after=" : "", search->after);

		code = path != NULL ? look(client, search, path, false) : EXIT_FAILED;
	}
	return code;
}

static int say_none(const struct client *client, const char *word)
{
	struct error err;

	error_set(&err, ERR_BAD_REQUEST,
		"there is no job '%.80s': give an id, the beginning of one, or a name; 'leat ls' "
		"lists the jobs",
		word);
	return client_fail(client, &err, EXIT_USAGE);
}

static int say_many(const struct client *client, const struct search *search)
{
	fprintf(stderr, "%s: '%.80s' may mean several jobs; write more of the id:\n",
		client->command->name, search->word);
	for (unsigned i = 0; i < MIN(search->found, (unsigned)NAMED); i++)
		fprintf(stderr, "  %s\n", search->ids[i]);
	if (search->found >= NAMED)
		fprintf(stderr, "  …\n");
	return EXIT_USAGE;
}

static bool is_whole_id(const char *word)
{
	return strlen(word) == ID_LEN && strncmp(word, "j_", 2) == 0;
}

int client_find_job(struct client *client, const char *word, char ret_id[static CLIENT_ID_SIZE])
{
	struct search search = { .word = word };
	int code = EXIT_OK;

	if (is_whole_id(word)) {
		snprintf(ret_id, CLIENT_ID_SIZE, "%s", word);
		return EXIT_OK;
	}
	if (*word != '\0')
		code = look_by_name(client, &search);
	if (code == EXIT_OK && search.found == 0 && *word != '\0')
		code = look_by_beginning(client, &search);
	if (code != EXIT_OK)
		return code;
	if (search.found == 0)
		return say_none(client, word);
	if (search.found > 1)
		return say_many(client, &search);
	snprintf(ret_id, CLIENT_ID_SIZE, "%s", search.ids[0]);
	return EXIT_OK;
}

/* ---- what becomes of it ---- */

int client_take_patience(const char *value, uint64_t *ret_ms, struct error *err)
{
	struct error why;

	if (unit_parse(UNIT_MS, value, ret_ms, &why) < 0)
		return error_set(err, ERR_BAD_REQUEST, "--retry-for: %s", why.text);
	if (*ret_ms > PATIENCE_MAX_MS)
		return error_set(err, ERR_BAD_REQUEST, "--retry-for: at most 365d");
	return 0;
}

void client_trouble(void *arg, const char *why)
{
	const struct client *client = arg;

	if (why == NULL)
		fprintf(stderr, "%s: it goes on\n", client->command->name);
	else
		fprintf(stderr, "%s: %s; trying again\n", client->command->name, why);
}

static void say_why(const struct client *client, const json_t *job)
{
	struct buf text = BUF_INIT;
	const json_t *error = json_object_get(job, "error");
	const char *detail = view_string(error, "detail");

	if (shown_text(*detail != '\0' ? detail : view_string(error, "title"), &text) == 0 &&
		buf_append(&text, "", 1) == 0)
		fprintf(stderr, "%s: the job %s %s%s%s\n", client->command->name,
			view_string(job, "id"), view_string(job, "state"),
			text.len > 1 ? ": " : "", text.data);
	buf_done(&text);
}

int client_outcome(const struct client *client, const json_t *job)
{
	double failed = view_number(job, "counts", "failed");
	char some[SHOWN_SIZE], all[SHOWN_SIZE];

	if (strcmp(view_string(job, "state"), "succeeded") != 0) {
		say_why(client, job);
		return EXIT_FAILED;
	}
	if (failed <= 0)
		return EXIT_OK;
	shown_count((uint64_t)failed, some);
	shown_count((uint64_t)view_number(job, "input", "received"), all);
	fprintf(stderr, "%s: %s of %s items failed; 'leat failures %s' says why\n",
		client->command->name, some, all, view_string(job, "id"));
	return EXIT_FAILED;
}
