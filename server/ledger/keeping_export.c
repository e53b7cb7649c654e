/*
 * A ledger as lines of JSON, in the order of its tables:
 *
 *	{"leat":"export","version":1}
 *	{"kind":"job","job":"j_…","state":"running","counts":{…},"record":BASE64,"definition":{…}}
 *	{"kind":"input","job":"j_…","block":0,"first_item":0,"count":2}      then so many of
 *	{"kind":"item","value":{…}}
 *	{"kind":"retries","job":"j_…","block":4,"first_item":0,"count":1}    then so many of
 *	{"kind":"retry","head":BASE64,"item":7,"stage":1,"value":{…}}
 *	{"kind":"done","job":"j_…","block":0,"bitmap":BASE64}
 *	{"kind":"results","job":"j_…","seq":0,"count":2}                     then so many of
 *	{"kind":"result","item":0,"value":{…}}
 *	{"kind":"failure","job":"j_…","seq":0,"head":BASE64,"item":3,"error":"…","value":{…}}
 *	{"kind":"key","job":"j_…","lines":20,"key":"…"}
 *	{"kind":"state","job":"j_…","state":BASE64}
 *	{"kind":"end","lines":12}
 *
 * What stands behind "value" and "definition" is, byte for byte, what was put in: no string in
 * front of it can hold these words with their quotes. BASE64 is what import goes by, the rest
 * of such a line is for people. A text that cannot stand in a line of JSON is "base64".
 */
#include <inttypes.h>
#include <jansson.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <unistd.h>

#include "job/record.h"
#include "ledger/keeping_internal.h"

struct export
{
	struct examine examine;
	FILE *to;
	uint64_t lines;
	struct buf definition; /* of the job whose record comes next */
	struct buf record;
	struct lmdb_key definition_of;
	bool no_memory;
};

static void begin_line(struct export *export, const char *kind, const struct lmdb_key *key)
{
	char text[ID_TEXT_SIZE];
	struct id id;

	export->lines++;
	fprintf(export->to, "{\"kind\":\"%s\"", kind);
	if (key == NULL)
		return;
	memcpy(id.bytes, key->job, ID_BYTES);
	id_format(&id, text);
	fprintf(export->to, ",\"job\":\"%s\"", text);
}

static void put_number(struct export *export, const char *name, uint64_t number)
{
	fprintf(export->to, ",\"%s\":%" PRIu64, name, number);
}

static void put_base64(struct export *export, const char *name, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	char text[4 * 256 + 1];

	fprintf(export->to, ",\"%s\":\"", name);
	while (len > 0) {
		size_t part = MIN(len, (size_t)3 * 256);

		base64_encode_raw(text, part, at);
		fwrite(text, 1, BASE64_ENCODE_RAW_LENGTH(part), export->to);
		at += part;
		len -= part;
	}
	fputc('"', export->to);
}

static bool fits_a_line(const char *text, size_t len)
{
	for (size_t at = 0; at < len; at++)
		if (text[at] == '\n' || text[at] == '\0')
			return false;
	return len > 0;
}

/* The last member, and the end of the line. */
static void put_value(struct export *export, const char *text, size_t len)
{
	if (fits_a_line(text, len)) {
		fputs(",\"value\":", export->to);
		fwrite(text, 1, len, export->to);
	} else {
		put_base64(export, "base64", text, len);
	}
	fputs("}\n", export->to);
}

/* A string of JSON; `name`_base64 where it is no text. */
static void put_text(struct export *export, const char *name, const char *text, size_t len)
{
	json_t *string = json_stringn(text, len);
	char longer[32];

	if (string == NULL) {
		snprintf(longer, sizeof(longer), "%s_base64", name);
		put_base64(export, longer, text, len);
		return;
	}
	fprintf(export->to, ",\"%s\":", name);
	export->no_memory =
		json_dumpf(string, export->to, JSON_ENCODE_ANY) < 0 && ferror(export->to) == 0;
	json_decref(string);
}

static void put_counts(struct export *export, const struct job_record *record)
{
	fprintf(export->to,
		",\"state\":\"%s\",\"counts\":{\"received\":%" PRIu64 ",\"succeeded\":%" PRIu64
		",\"filtered\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"cancelled\":%" PRIu64
		",\"results\":%" PRIu64 "}",
		job_state_name((enum job_state)record->state), record->received,
		record->succeeded, record->filtered, record->failed, record->cancelled,
		record->results);
}

/* The definition comes first: it is kept until its record is there. */
static void export_job(
	struct export *export, const struct lmdb_key *key, const void *bytes, size_t len)
{
	struct job_record record;

	if (be64_get(key->number) == JOB_DEFINITION) {
		buf_clear(&export->definition);
		export->no_memory = buf_append(&export->definition, bytes, len) < 0;
		export->definition_of = *key;
		return;
	}
	if (memcmp(export->definition_of.job, key->job, ID_BYTES) != 0 ||
		job_record_decode(bytes, len, &record, NULL) < 0)
		return; /* told by the audit */
	begin_line(export, "job", key);
	put_counts(export, &record);
	/* As this leat writes it, whichever wrote it down. */
	buf_clear(&export->record);
	export->no_memory = job_record_encode(&record, &export->record) < 0;
	put_base64(export, "record", export->record.data, export->record.len);
	fprintf(export->to, ",\"definition\":%.*s}\n", (int)export->definition.len,
		export->definition.data);
	job_record_done(&record);
}

static void export_input(
	struct export *export, const struct lmdb_key *key, const char *bytes, size_t len)
{
	const char *at = bytes + sizeof(struct block_head);
	struct block_head head;
	struct retry_head retry;

	if (block_check(bytes, len, &head, NULL) < 0)
		return;
	begin_line(export, head.kind == BLOCK_RETRIES ? "retries" : "input", key);
	put_number(export, "block", be64_get(key->number));
	put_number(export, "first_item", head.first_item);
	put_number(export, "count", head.count);
	fputs("}\n", export->to);
	for (uint32_t n = 0; n < head.count; n++) {
		if (head.kind == BLOCK_RETRIES) {
			memcpy(&retry, at, sizeof(retry));
			at += sizeof(retry);
			begin_line(export, "retry", NULL);
			put_base64(export, "head", &retry, sizeof(retry));
			put_number(export, "item", retry.item);
			put_number(export, "stage", retry.stage);
		} else {
			begin_line(export, "item", NULL);
		}
		put_value(export, at, strlen(at));
		at += strlen(at) + 1;
	}
}

static void export_results(
	struct export *export, const struct lmdb_key *key, const void *bytes, size_t len)
{
	struct result_view view;
	const char *at, *end, *stop;

	if (result_view(bytes, len, &view, NULL) < 0)
		return;
	at = view.lines;
	end = view.lines + view.lines_len;
	begin_line(export, "results", key);
	put_number(export, "seq", be64_get(key->number));
	put_number(export, "count", view.count);
	fputs("}\n", export->to);
	for (uint32_t n = 0; n < view.count; n++) {
		stop = at == end ? NULL : memchr(at, '\n', (size_t)(end - at));
		begin_line(export, "result", NULL);
		put_number(export, "item", result_view_item(&view, n));
		put_value(export, at, stop == NULL ? 0 : (size_t)(stop - at));
		at = stop == NULL ? end : stop + 1;
	}
}

static void export_failure(
	struct export *export, const struct lmdb_key *key, const void *bytes, size_t len)
{
	struct failure_view view;

	if (failure_view(bytes, len, &view, NULL) < 0)
		return;
	begin_line(export, "failure", key);
	put_number(export, "seq", be64_get(key->number));
	put_base64(export, "head", &view.head, sizeof(view.head));
	put_number(export, "item", view.head.item);
	put_text(export, "error", view.error, view.head.error_len);
	put_value(export, view.input, view.head.input_len);
}

static void export_small(struct export *export, unsigned table, const struct lmdb_key *key,
	const char *bytes, size_t len)
{
	struct key_value head;

	if (table == TABLE_DONE) {
		begin_line(export, "done", key);
		put_number(export, "block", be64_get(key->number));
		put_base64(export, "bitmap", bytes, len);
	} else if (table == TABLE_STATE) {
		begin_line(export, "state", key);
		put_base64(export, "state", bytes, len);
	} else if (len >= sizeof(head)) {
		memcpy(&head, bytes, sizeof(head));
		begin_line(export, "key", key);
		put_number(export, "lines", head.lines);
		put_text(export, "key", bytes + sizeof(head), len - sizeof(head));
	} else {
		return;
	}
	fputs("}\n", export->to);
}

static bool export_value(
	void *arg, unsigned table, const struct lmdb_key *key, const void *bytes, size_t len)
{
	struct export *export = CONTAINER_OF((struct examine *)arg, struct export, examine);
	struct id job;

	memcpy(job.bytes, key->job, ID_BYTES);
	if (audit_value(export->examine.audit, table, key, bytes, len) < 0)
		export->no_memory = true;
	if (table == TABLE_JOBS)
		export_job(export, key, bytes, len);
	else if (!audit_has_job(export->examine.audit, &job))
		return true;
	else if (table == TABLE_INPUT)
		export_input(export, key, bytes, len);
	else if (table == TABLE_RESULTS)
		export_results(export, key, bytes, len);
	else if (table == TABLE_FAILURES)
		export_failure(export, key, bytes, len);
	else
		export_small(export, table, key, bytes, len);
	return !export->no_memory && ferror(export->to) == 0;
}

static int write_all(struct export *export, const char *path, struct error *err)
{
	export->examine.check.value = export_value;
	fputs("{\"leat\":\"export\",\"version\":1}\n", export->to);
	if (examine(path, &export->examine, err) < 0)
		return -1;
	if (export->no_memory)
		return error_no_memory(err);
	fprintf(export->to, "{\"kind\":\"end\",\"lines\":%" PRIu64 "}\n", export->lines);
	if (fflush(export->to) == 0 && ferror(export->to) == 0)
		return 0;
	return error_set(err, ERR_STORE, "the export cannot be written to the end");
}

int keeping_export(const char *dir, FILE *to, keeping_tell tell, void *arg,
	struct keeping_sums *ret, struct error *err)
{
	struct export export = { .examine = { .tell = tell, .arg = arg }, .to = to };
	char path[PATH_SIZE];
	int fd = keeping_look(dir, err), result;

	if (fd == -1)
		return -1;
	result = keeping_path(dir, "data.mdb", path, err);
	if (result == 0)
		result = write_all(&export, path, err);
	audit_free(export.examine.audit);
	buf_done(&export.definition);
	buf_done(&export.record);
	if (fd >= 0)
		close(fd);
	if (result == 0)
		*ret = export.examine.sums;
	return result;
}
