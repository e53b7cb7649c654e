/*
 * Import: the lines of keeping_export.c back into a ledger.
 *
 * Each job is written as one that is being erased, and becomes itself in one last transaction
 * when all lines were there; so a ledger never shows a part of an import, and the next start
 * of a server removes what was left by one that did not end.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_parse.h"
#include "job/record.h"
#include "ledger/keeping_import.h"

#define MAP_BYTES   (UINT64_C(1) << 42)
#define ROUND_BYTES (4u << 20)

/* ---- jobs ---- */

static int remember(struct import *import, const struct id *id, bool was_erasing)
{
	if (import->count == import->capacity_jobs) {
		size_t capacity = import->capacity_jobs * 2 + 64;
		struct imported *jobs =
			mem_realloc(import->jobs, capacity * sizeof(import->jobs[0]));

		if (jobs == NULL)
			return -1;
		import->jobs = jobs;
		import->capacity_jobs = capacity;
	}
	import->jobs[import->count++] = (struct imported){ *id, was_erasing };
	return 0;
}

static bool is_known(const struct import *import, const struct id *id)
{
	/* Jobs come by their ids. */
	size_t low = 0, high = import->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = memcmp(import->jobs[middle].id.bytes, id->bytes, ID_BYTES);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static int must_be_new(struct import *import, const struct id *id, struct error *err)
{
	struct buf definition = BUF_INIT, record = BUF_INIT;
	char text[ID_TEXT_SIZE];
	struct error why;
	int found =
		import->ledger->ops->get_job(import->ledger, id, &definition, &record, &why);

	buf_done(&definition);
	buf_done(&record);
	if (found < 0 && why.code != ERR_JOB_NOT_FOUND) {
		*err = why;
		return -1;
	}
	if (import->count > 0 &&
		memcmp(import->jobs[import->count - 1].id.bytes, id->bytes, ID_BYTES) >= 0)
		return import_wrong(
			import, err, "its jobs are not in order, or one stands twice");
	if (found < 0)
		return 0;
	id_format(id, text);
	return error_set(err, ERR_BAD_REQUEST,
		"the folder has a job %s already, and nothing was imported: choose another "
		"folder, or remove that job",
		text);
}

static int put_record(struct import *import, const struct id *id, struct job_record *record,
	const void *definition, size_t definition_len, struct error *err)
{
	struct buf bytes = BUF_INIT;
	int result = -1;

	if (job_record_encode(record, &bytes) < 0)
		error_no_memory(err);
	else
		result = import->ledger->ops->put_job(import->ledger, id, definition,
			definition_len, bytes.data, bytes.len, err);
	buf_done(&bytes);
	return result;
}

static int import_job(struct import *import, struct error *err)
{
	const char *definition;
	struct job_record record;
	struct id id;
	size_t len;
	int result;

	if (import_get_job(import, &id, err) < 0 || must_be_new(import, &id, err) < 0)
		return -1;
	if (import->value == NULL)
		return import_wrong(import, err, "it has no definition");
	if (import_get_value(import, &definition, &len, err) < 0 ||
		import_get_base64(import, "record", err) < 0)
		return -1;
	if (job_record_decode(import->decoded.data, import->decoded.len, &record, err) < 0)
		return -1;
	result = remember(import, &id, record.erasing != 0);
	record.erasing = 1;
	result = result < 0 ? error_no_memory(err)
			    : put_record(import, &id, &record, definition, len, err);
	job_record_done(&record);
	import->written += len + 1024;
	return result;
}

/* ---- blocks ---- */

static int begin_block(struct import *import, int kind, struct error *err)
{
	uint64_t count;

	if (import_get_job(import, &import->block_of, err) < 0 ||
		import_get_number(
			import, kind == RESULTS ? "seq" : "block", &import->block, err) < 0 ||
		import_get_number(import, "count", &count, err) < 0 ||
		(kind != RESULTS &&
			import_get_number(import, "first_item", &import->first_item, err) < 0))
		return -1;
	if (count == 0 || count > UINT32_MAX)
		return import_wrong(import, err, "'count' is out of range");
	if (!is_known(import, &import->block_of))
		return import_wrong(import, err, "its job is not in the export");
	import->kind = kind;
	import->expected = (uint32_t)count;
	import->got = 0;
	buf_clear(&import->texts);
	buf_clear(&import->items);
	return 0;
}

static int put_input(struct import *import, struct error *err)
{
	struct block_head head = { .kind = import->kind == RETRIES ? BLOCK_RETRIES
								   : BLOCK_LINES,
		.count = import->expected,
		.number = import->block,
		.first_item = import->first_item };
	struct buf whole = BUF_INIT;
	int result = -1;

	if (buf_append(&whole, &head, sizeof(head)) < 0 ||
		buf_append(&whole, import->texts.data, import->texts.len) < 0) {
		error_no_memory(err);
	} else {
		block_seal((struct block_head *)whole.data, import->texts.len);
		result = import->ledger->ops->put_input(import->ledger, &import->block_of,
			import->block, whole.data, whole.len, err);
	}
	buf_done(&whole);
	return result;
}

static int put_results(struct import *import, struct error *err)
{
	struct result_head head = { .version = BLOCK_VERSION, .count = import->expected };
	struct buf whole = BUF_INIT;
	int result = -1;

	if (buf_append(&whole, &head, sizeof(head)) < 0 ||
		buf_append(&whole, import->items.data, import->items.len) < 0 ||
		buf_append(&whole, import->texts.data, import->texts.len) < 0) {
		error_no_memory(err);
	} else {
		head.checksum =
			block_checksum(whole.data + sizeof(head), whole.len - sizeof(head));
		memcpy(whole.data, &head, sizeof(head));
		result = import->ledger->ops->append(import->ledger, &import->block_of,
			LEDGER_RESULTS, import->block, whole.data, whole.len, err);
	}
	buf_done(&whole);
	return result;
}

/* One of the lines that a block consists of. */
static int import_part(struct import *import, int kind, struct error *err)
{
	struct retry_head head;
	const char *text;
	uint64_t item;
	size_t len;
	int result;

	if (import->kind != kind)
		return import_wrong(import, err, "it belongs to no block");
	if (kind == RETRIES) {
		if (import_get_base64(import, "head", err) < 0)
			return -1;
		if (import->decoded.len != sizeof(head))
			return import_wrong(import, err, "'head' has a wrong length");
		memcpy(&head, import->decoded.data, sizeof(head));
	}
	if (kind == RESULTS && import_get_number(import, "item", &item, err) < 0)
		return -1;
	if (import_get_value(import, &text, &len, err) < 0)
		return -1;
	if (kind == RETRIES && len != head.len)
		return import_wrong(import, err, "'head' does not fit its value");
	result = kind == RETRIES   ? buf_append(&import->texts, &head, sizeof(head))
		 : kind == RESULTS ? buf_append(&import->items, &item, sizeof(item))
				   : 0;
	if (result < 0 || buf_append(&import->texts, text, len) < 0 ||
		buf_append(&import->texts, kind == RESULTS ? "\n" : "", 1) < 0)
		return error_no_memory(err);
	import->written += len + 64;
	if (++import->got < import->expected)
		return 0;
	import->kind = NO_BLOCK;
	return kind == RESULTS ? put_results(import, err) : put_input(import, err);
}

/* ---- the rest ---- */

static int import_failure(struct import *import, struct error *err)
{
	const json_t *error = json_object_get(import->object, "error");
	struct failure_head head;
	struct buf whole = BUF_INIT;
	_auto_free_ char *text = NULL;
	const char *input;
	struct id id;
	uint64_t seq;
	size_t len;
	int result;

	if (import_get_job(import, &id, err) < 0 ||
		import_get_number(import, "seq", &seq, err) < 0 ||
		import_get_base64(import, "head", err) < 0)
		return -1;
	if (import->decoded.len != sizeof(head) || !is_known(import, &id))
		return import_wrong(import, err, "'head' or 'job' does not fit");
	memcpy(&head, import->decoded.data, sizeof(head));
	if (error == NULL && import_get_base64(import, "error_base64", err) < 0)
		return -1;
	text = error != NULL ? mem_strndup(json_string_value(error), json_string_length(error))
			     : mem_strndup(import->decoded.data, import->decoded.len);
	if (text == NULL)
		return error_no_memory(err);
	if (head.error_len != (error != NULL ? json_string_length(error) : import->decoded.len))
		return import_wrong(import, err, "'head' does not fit its error");
	if (import_get_value(import, &input, &len, err) < 0)
		return -1;
	if (len != head.input_len)
		return import_wrong(import, err, "'head' does not fit its value");
	result = failure_encode(head, text, input, &whole);
	result = result < 0 ? error_no_memory(err)
			    : import->ledger->ops->append(import->ledger, &id, LEDGER_FAILURES,
				      seq, whole.data, whole.len, err);
	import->written += whole.len;
	buf_done(&whole);
	return result;
}

static int import_key(struct import *import, struct error *err)
{
	const json_t *key = json_object_get(import->object, "key");
	struct id id;
	uint64_t lines;

	if (import_get_job(import, &id, err) < 0 ||
		import_get_number(import, "lines", &lines, err) < 0)
		return -1;
	if (key == NULL && import_get_base64(import, "key_base64", err) < 0)
		return -1;
	import->written += 256;
	return import->ledger->ops->put_key(import->ledger, &id,
		key != NULL ? json_string_value(key) : import->decoded.data,
		key != NULL ? json_string_length(key) : import->decoded.len, lines, err);
}

static int import_done(struct import *import, struct error *err)
{
	struct id id;
	uint64_t block;

	if (import_get_job(import, &id, err) < 0 ||
		import_get_number(import, "block", &block, err) < 0 ||
		import_get_base64(import, "bitmap", err) < 0)
		return -1;
	import->written += 256;
	return import->ledger->ops->put_done(
		import->ledger, &id, block, import->decoded.data, import->decoded.len, err);
}

static int import_state(struct import *import, struct error *err)
{
	struct id id;

	if (import_get_job(import, &id, err) < 0 || import_get_base64(import, "state", err) < 0)
		return -1;
	import->written += import->decoded.len;
	return import->ledger->ops->put_state(
		import->ledger, &id, import->decoded.data, import->decoded.len, err);
}

static int import_end(struct import *import, struct error *err)
{
	uint64_t lines;

	if (import_get_number(import, "lines", &lines, err) < 0)
		return -1;
	if (lines != import->number - 2)
		return import_wrong(import, err, "there are not as many lines as it says");
	import->ended = true;
	return 0;
}

static int import_line(struct import *import, struct error *err)
{
	static const struct {
		const char *kind;
		int (*one)(struct import *import, struct error *err);
	} kinds[] = { { "job", import_job }, { "failure", import_failure },
		{ "key", import_key }, { "done", import_done }, { "state", import_state },
		{ "end", import_end } };
	static const struct {
		const char *head, *part;
		int kind;
	} blocks[] = { { "input", "item", INPUT }, { "retries", "retry", RETRIES },
		{ "results", "result", RESULTS } };
	const char *kind = json_string_value(json_object_get(import->object, "kind"));

	if (kind == NULL || import->ended)
		return import_wrong(
			import, err, import->ended ? "it stands behind the end" : "no kind");
	for (size_t n = 0; n < ARRAY_SIZE(blocks); n++)
		if (strcmp(kind, blocks[n].part) == 0)
			return import_part(import, blocks[n].kind, err);
	if (import->kind != NO_BLOCK)
		return import_wrong(import, err, "the block in front of it is not complete");
	for (size_t n = 0; n < ARRAY_SIZE(blocks); n++)
		if (strcmp(kind, blocks[n].head) == 0)
			return begin_block(import, blocks[n].kind, err);
	for (size_t n = 0; n < ARRAY_SIZE(kinds); n++)
		if (strcmp(kind, kinds[n].kind) == 0)
			return kinds[n].one(import, err);
	return import_wrong(import, err, "a kind that nobody knows");
}

static int import_head(struct import *import, struct error *err)
{
	int found = import_next_line(import, err);
	const char *what;
	json_int_t version;

	if (found <= 0)
		return found < 0 ? -1 : error_set(err, ERR_BAD_REQUEST, "the export is empty");
	what = json_string_value(json_object_get(import->object, "leat"));
	version = json_integer_value(json_object_get(import->object, "version"));
	if (what == NULL || strcmp(what, "export") != 0)
		return import_wrong(import, err, "it is no export of leat");
	if (version != 1)
		return error_set(err, ERR_BAD_REQUEST,
			"the export has version %lld, this leat knows 1: use a newer one",
			(long long)version);
	return 0;
}

/* ---- all of it ---- */

static int commit(struct import *import, struct error *err)
{
	import->written = 0;
	return import->ledger->ops->commit(import->ledger, err) == 0 ? 0 : -1;
}

static int import_lines(struct import *import, struct error *err)
{
	int found;

	if (import_head(import, err) < 0 || import->ledger->ops->begin(import->ledger, err) < 0)
		return -1;
	while ((found = import_next_line(import, err)) > 0) {
		if (import_line(import, err) < 0)
			break;
		if (import->written < ROUND_BYTES)
			continue;
		if (commit(import, err) < 0)
			return -1;
		if (import->ledger->ops->begin(import->ledger, err) < 0)
			return -1;
	}
	if (found == 0 && !import->ended)
		found = error_set(err, ERR_BAD_REQUEST,
			"the export is cut off: its last line does not say that it is the end");
	if (found != 0) {
		import->ledger->ops->abort(import->ledger);
		return -1;
	}
	return commit(import, err);
}

/* The jobs become what they are, all at once. */
static int reveal(struct import *import, struct error *err)
{
	struct ledger *ledger = import->ledger;
	struct buf definition = BUF_INIT, bytes = BUF_INIT;
	struct job_record record;
	int result = ledger->ops->begin(ledger, err);

	if (result < 0)
		return -1;
	for (size_t at = 0; at < import->count && result == 0; at++) {
		const struct imported *job = &import->jobs[at];

		buf_clear(&definition);
		buf_clear(&bytes);
		if (job->was_erasing)
			continue;
		result = ledger->ops->get_job(ledger, &job->id, &definition, &bytes, err);
		if (result == 0)
			result = job_record_decode(bytes.data, bytes.len, &record, err);
		if (result < 0)
			break;
		record.erasing = 0;
		result = put_record(import, &job->id, &record, NULL, 0, err);
		job_record_done(&record);
	}
	buf_done(&definition);
	buf_done(&bytes);
	if (result == 0)
		return commit(import, err);
	ledger->ops->abort(ledger);
	return -1;
}

/* What was written goes again; what cannot be removed the next start removes. */
static void take_back(struct import *import)
{
	struct ledger *ledger = import->ledger;

	for (size_t at = 0; at < import->count; at++) {
		bool more = true;

		while (more) {
			if (ledger->ops->begin(ledger, NULL) < 0)
				return;
			if (ledger->ops->erase(ledger, &import->jobs[at].id, true, ROUND_BYTES,
				    &more, NULL) < 0) {
				ledger->ops->abort(ledger);
				return;
			}
			if (ledger->ops->commit(ledger, NULL) != 0)
				return;
		}
	}
}

int import_all(struct ledger *ledger, FILE *from, uint64_t *ret_jobs, struct error *err)
{
	struct import import = { .ledger = ledger, .from = from };
	int result = import_lines(&import, err);

	if (result == 0)
		result = reveal(&import, err);
	if (result < 0)
		take_back(&import);
	else
		*ret_jobs = import.count;
	json_decref(import.object);
	free(import.line); /* getline()'s */
	buf_done(&import.decoded);
	buf_done(&import.texts);
	buf_done(&import.items);
	mem_free(import.jobs);
	return result;
}

int keeping_import(const char *dir, FILE *from, uint64_t *ret_jobs, struct error *err)
{
	struct ledger_lmdb_config config = { .dir = dir, .max_bytes = MAP_BYTES };
	struct ledger *ledger;
	int result;

	if (ledger_lmdb_open(&config, &ledger, err) < 0)
		return -1;
	result = import_all(ledger, from, ret_jobs, err);
	ledger_close(ledger);
	return result;
}
