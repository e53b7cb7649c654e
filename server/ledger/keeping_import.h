/*
 * keeping_import: an export that is being read, line by line.
 *
 *	keeping_import_line.c  a line and its members
 *	keeping_import.c       what becomes of it in the ledger
 *
 * Thread: one; see keeping.h.
 */
#ifndef LEAT_LEDGER_KEEPING_IMPORT_H
#define LEAT_LEDGER_KEEPING_IMPORT_H

#include <jansson.h>
#include <stdio.h>

#include "ledger/keeping_internal.h"

struct imported {
	struct id id;
	bool was_erasing;
};

enum { NO_BLOCK, INPUT, RETRIES, RESULTS };

struct import {
	struct ledger *ledger;
	FILE *from;
	char *line;
	size_t capacity, len;
	uint64_t number; /* of the line, from 1 */
	size_t written;  /* in the open transaction */
	bool ended;

	/* Of the line: all but its value, and the value. */
	json_t *object;
	const char *value;
	size_t value_len;
	struct buf decoded;

	struct imported *jobs;
	size_t count, capacity_jobs;

	/* The block that is being put together. */
	struct id block_of;
	uint64_t block, first_item;
	uint32_t expected, got;
	int kind; /* INPUT, … */
	struct buf texts, items;
};

/*
 * All lines, into a ledger that nobody else has; see keeping_import(). The caller is its commit
 * thread.
 */
int import_all(struct ledger *ledger, FILE *from, uint64_t *ret_jobs, struct error *err);

/* ERR_BAD_REQUEST with the line's number. Returns -1. */
int import_wrong(const struct import *import, struct error *err, const char *what);
/* 1: there is one, in `object` and `value`; 0: the file is over. */
int import_next_line(struct import *import, struct error *err);
/* Members of the line, which must be there; what they are is left in `ret`, or in `decoded`. */
int import_get_number(
	const struct import *import, const char *name, uint64_t *ret, struct error *err);
int import_get_job(const struct import *import, struct id *ret, struct error *err);
int import_get_base64(struct import *import, const char *name, struct error *err);
int import_get_value(
	struct import *import, const char **ret, size_t *ret_len, struct error *err);

#endif
