/*
 * case_file: the cases of a stage, a line of JSON each.
 *
 *	{"case":"names are kept","params":{"fields":["a"]},
 *	 "in":[{"a":1,"b":2},7],
 *	 "out":[{"a":1}],
 *	 "failures":[{"item":1,"kind":"permanent","error":"not an object"}]}
 *
 * `params`, `out` and `failures` are empty when they are left out. A source has no `in`;
 * `report` is what a sink says at the end; `attempts` (1 when left out) is how often an item
 * is tried; `refused` stands for everything else where the parameters must be refused, with
 * the reason. Items are compared byte for byte, as they stand in the file.
 *
 * Thread: one.
 */
#ifndef LEAT_CLI_CASE_FILE_H
#define LEAT_CLI_CASE_FILE_H

#include <jansson.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "engine/split.h"
#include "stages/stage_slice.h"

struct stage_case {
	json_t *params;  /* an object */
	json_t *refused; /* a string; NULL: they are not */
	unsigned attempts;
	/* As they stand in the line; `at` is NULL where there is none. */
	struct stage_slice name, in, out, failures, report;
	struct stage_slice params_text, refused_text, attempts_text;
};

/* A file of cases, being read. */
struct case_file {
	FILE *file;
	const char *path;
	char *line;
	size_t size;
	unsigned number; /* of the line */
	struct json_check *check;
};

/* ERR_BAD_REQUEST, from the path on. `path` is borrowed. */
int case_file_open(struct case_file *cases, const char *path, struct error *err);
/* 1 and the next case (until the next call), 0 at the end, -1: ERR_BAD_REQUEST, from path and
 * line on. */
int case_file_next(struct case_file *cases, struct stage_case *ret, struct error *err);
void case_file_close(struct case_file *cases);
void stage_case_done(struct stage_case *one);

/* One more element behind those in `list`; -1 without memory. */
int case_list_add(struct buf *list, const char *text, size_t len);
/* Are the elements of the array `wanted` those of `got`, byte for byte? -1 says what differs.
 */
int case_compare(
	const char *what, struct stage_slice wanted, const struct buf *got, struct error *err);

#endif
