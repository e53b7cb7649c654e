#include "cli/case_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_parse.h"
#include "base/mem.h"
#include "job/text.h"

#define ATTEMPTS_MAX 100

/* The members of a case; `first` is what their value begins with, 0: anything. */
static const struct member {
	const char *name, *wanted;
	char first;
	size_t slice; /* where in struct stage_case it is kept */
} members[] = {
	{ "case", "a string, its name", '"', offsetof(struct stage_case, name) },
	{ "params", "an object", '{', offsetof(struct stage_case, params_text) },
	{ "in", "an array of items", '[', offsetof(struct stage_case, in) },
	{ "out", "an array of items", '[', offsetof(struct stage_case, out) },
	{ "failures", "an array", '[', offsetof(struct stage_case, failures) },
	{ "report", NULL, 0, offsetof(struct stage_case, report) },
	{ "refused", "a string, the reason", '"', offsetof(struct stage_case, refused_text) },
	{ "attempts", NULL, 0, offsetof(struct stage_case, attempts_text) },
};

int case_file_open(struct case_file *cases, const char *path, struct error *err)
{
	*cases = (struct case_file){ .file = fopen(path, "r"), .path = path };
	if (cases->file == NULL)
		return error_set(err, ERR_BAD_REQUEST, "%s: %s", path, strerror(errno));
	if (json_check_new(&cases->check, err) == 0)
		return 0;
	case_file_close(cases);
	return -1;
}

void case_file_close(struct case_file *cases)
{
	free(cases->line);
	json_check_free(cases->check);
	if (cases->file != NULL)
		fclose(cases->file);
}

void stage_case_done(struct stage_case *one)
{
	json_decref(one->params);
	json_decref(one->refused);
	one->params = one->refused = NULL;
}

static int no_such_member(const char *name, struct error *err)
{
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		nearest_offer(&nearest, members[i].name);
	if (nearest_best(&nearest) != NULL)
		return error_set(err, ERR_BAD_REQUEST,
			"a case has no member '%.60s'; did you mean '%s'?", name,
			nearest_best(&nearest));
	return error_set(err, ERR_BAD_REQUEST, "a case has no member '%.60s'", name);
}

static int take_member(struct stage_case *one, struct stage_slice name,
	struct stage_slice value, struct error *err)
{
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (!stage_slice_is(name, members[i].name, strlen(members[i].name)))
			continue;
		if (members[i].first != 0 && *value.at != members[i].first)
			return error_set(err, ERR_BAD_REQUEST, "\"%s\" must be %s",
				members[i].name, members[i].wanted);
		*(struct stage_slice *)((char *)one + members[i].slice) = value;
		return 0;
	}
	snprintf(text, sizeof(text), "%.*s", (int)name.len - 2, name.at + 1);
	return no_such_member(text, err);
}

static int take_members(struct stage_case *one, struct stage_slice line, struct error *err)
{
	struct stage_slice name, value;
	struct stage_walk walk;

	if (!stage_walk_open(&walk, line, '{'))
		return error_set(err, ERR_BAD_REQUEST,
			"a case is an object, as in {\"case\":\"…\",\"params\":{},\"in\":[…],"
			"\"out\":[…]}");
	while (stage_walk_member(&walk, &name, &value))
		if (take_member(one, name, value, err) < 0)
			return -1;
	return 0;
}

static int parse(struct stage_slice text, json_t **ret, struct error *err)
{
	*ret = json_parse(text.at, text.len, JSON_REJECT_DUPLICATES, err);
	return *ret == NULL ? -1 : 0;
}

static int parse_members(struct stage_case *one, struct error *err)
{
	static const struct stage_slice none = { "{}", 2 };
	struct stage_slice attempts = one->attempts_text;
	char *end;

	one->attempts = attempts.at == NULL ? 1 : (unsigned)strtoul(attempts.at, &end, 10);
	if (one->attempts < 1 || one->attempts > ATTEMPTS_MAX ||
		(attempts.at != NULL && end != attempts.at + attempts.len))
		return error_set(err, ERR_BAD_REQUEST, "\"attempts\" must be from 1 to %d",
			ATTEMPTS_MAX);
	if (one->refused_text.at != NULL && parse(one->refused_text, &one->refused, err) < 0)
		return -1;
	return parse(one->params_text.at != NULL ? one->params_text : none, &one->params, err);
}

static int take_line(
	struct case_file *cases, size_t len, struct stage_case *ret, struct error *err)
{
	struct stage_slice line = { stage_skip_blanks(cases->line), 0 };

	line.len = strlen(line.at);
	*ret = (struct stage_case){ 0 };
	if (line.len != len - (size_t)(line.at - cases->line))
		return error_set(err, ERR_BAD_REQUEST, "there is a NUL in it");
	if (json_check(cases->check, line.at, line.len, err) == 0 &&
		take_members(ret, line, err) == 0 && parse_members(ret, err) == 0)
		return 0;
	stage_case_done(ret);
	return -1;
}

/* Lines of blanks are passed over. */
static ssize_t next_line(struct case_file *cases)
{
	ssize_t len;

	do {
		len = getline(&cases->line, &cases->size, cases->file);
		cases->number++;
	} while (len > 0 && cases->line[strspn(cases->line, " \t\r\n")] == '\0');
	return len;
}

int case_file_next(struct case_file *cases, struct stage_case *ret, struct error *err)
{
	ssize_t len = next_line(cases);
	struct error why = { 0 };

	if (len <= 0)
		return 0;
	if (take_line(cases, (size_t)len, ret, &why) == 0)
		return 1;
	return error_set(err, why.code == ERR_NO_MEMORY ? ERR_NO_MEMORY : ERR_BAD_REQUEST,
		"%s: line %u: %s", cases->path, cases->number, why.text);
}

/* ---- what was wanted, what was got ---- */

int case_list_add(struct buf *list, const char *text, size_t len)
{
	if (list->len > 0 && buf_append(list, ",", 1) < 0)
		return -1;
	return buf_append(list, text, len);
}

static int say_difference(
	const char *what, const struct buf *wanted, const struct buf *got, struct error *err)
{
	return error_set(err, ERR_INTERNAL, "%s: wanted [%.*s], got [%.*s]", what,
		(int)wanted->len, wanted->data != NULL ? wanted->data : "", (int)got->len,
		got->data != NULL ? got->data : "");
}

int case_compare(
	const char *what, struct stage_slice wanted, const struct buf *got, struct error *err)
{
	struct buf list = BUF_INIT;
	struct stage_slice value;
	struct stage_walk walk;
	int result = 0;

	if (stage_walk_open(&walk, wanted, '['))
		while (result == 0 && stage_walk_element(&walk, &value))
			result = case_list_add(&list, value.at, value.len);
	if (result < 0)
		error_no_memory(err);
	else if (list.len != got->len ||
		 (got->len > 0 && memcmp(list.data, got->data, got->len) != 0))
		result = say_difference(what, &list, got, err);
	buf_done(&list);
	return result;
}
