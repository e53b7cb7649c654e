#include "job/record.h"

#include <stdio.h>

#include "base/mem.h"

/* Layout: u8 version, u8 field count, u16 stage count, fields, stage counts, two texts, owner.
 */
struct head {
	uint8_t version, fields;
	uint16_t stages;
};

#define X(type, name) +1
enum { FIELD_COUNT = 0 RECORD_FIELDS(X) };
#undef X

int job_record_init(struct job_record *record, unsigned stage_count)
{
	*record = (struct job_record){ .stage_count = stage_count };
	record->stages = mem_zalloc((stage_count + 1) * sizeof(record->stages[0]));
	return record->stages == NULL ? -1 : 0;
}

void job_record_done(struct job_record *record)
{
	mem_free(record->stages);
	mem_free(record->error);
	mem_free(record->report);
	*record = (struct job_record){ 0 };
}

void job_record_set_owner(struct job_record *record, const char *owner)
{
	snprintf(record->owner, sizeof(record->owner), "%s", owner);
	record->owner_len = strlen(record->owner);
}

int job_record_copy(struct job_record *to, const struct job_record *from)
{
	_auto_free_ char *error = NULL, *report = NULL;
	struct stage_counts *stages = to->stages;

	if (from->error != NULL && (error = mem_strdup(from->error)) == NULL)
		return -1;
	if (from->report != NULL && (report = mem_strdup(from->report)) == NULL)
		return -1;
	mem_free(to->error);
	mem_free(to->report);
	memcpy(stages, from->stages, from->stage_count * sizeof(stages[0]));
	*to = *from;
	to->stages = stages;
	to->error = TAKE(error);
	to->report = TAKE(report);
	return 0;
}

static int append_text(struct buf *to, const char *text)
{
	uint32_t len = text == NULL ? UINT32_MAX : (uint32_t)strlen(text);

	if (buf_append(to, &len, sizeof(len)) < 0)
		return -1;
	return text == NULL ? 0 : buf_append(to, text, len);
}

int job_record_encode(const struct job_record *record, struct buf *to)
{
	struct head head = { RECORD_VERSION, FIELD_COUNT, (uint16_t)record->stage_count };
	size_t stages_size = record->stage_count * sizeof(record->stages[0]);

	if (buf_append(to, &head, sizeof(head)) < 0 ||
		buf_append(to, record, FIELD_COUNT * sizeof(uint64_t)) < 0 ||
		buf_append(to, record->stages, stages_size) < 0)
		return -1;
	if (append_text(to, record->error) < 0 || append_text(to, record->report) < 0)
		return -1;
	return buf_append(to, record->owner, record->owner_len);
}

/* Take `len` bytes off the front; false when there are fewer. */
static bool take(const char **at, size_t *left, void *to, size_t len)
{
	if (*left < len)
		return false;
	memcpy(to, *at, len);
	*at += len;
	*left -= len;
	return true;
}

static bool take_text(const char **at, size_t *left, char **ret)
{
	uint32_t len;

	if (!take(at, left, &len, sizeof(len)))
		return false;
	if (len == UINT32_MAX)
		return true;
	if (*left < len || (*ret = mem_strndup(*at, len)) == NULL)
		return false;
	*at += len;
	*left -= len;
	return true;
}

static bool decode_body(
	struct job_record *record, const struct head *head, const char *at, size_t left)
{
	return take(&at, &left, record, head->fields * sizeof(uint64_t)) &&
	       take(&at, &left, record->stages, head->stages * sizeof(record->stages[0])) &&
	       take_text(&at, &left, &record->error) &&
	       take_text(&at, &left, &record->report) &&
	       record->owner_len < RECORD_OWNER_SIZE &&
	       take(&at, &left, record->owner, record->owner_len);
}

int job_record_decode(const void *bytes, size_t len, struct job_record *ret, struct error *err)
{
	unsigned failures = mem_failures();
	const char *at = bytes;
	struct job_record record;
	struct head head;

	if (!take(&at, &len, &head, sizeof(head)))
		return error_set(err, ERR_STORE, "a job's record is cut off");
	if (head.version == 0)
		return error_set(err, ERR_STORE, "a job's record is damaged");
	if (head.version > RECORD_VERSION || head.fields > FIELD_COUNT)
		return error_set(err, ERR_STORE,
			"a job's record has format %u; this leat knows %d: use a newer leat",
			head.version, RECORD_VERSION);
	if (job_record_init(&record, head.stages) < 0)
		return error_no_memory(err);
	if (!decode_body(&record, &head, at, len) || record.state >= JOB_STATE_COUNT) {
		job_record_done(&record);
		if (mem_failures() != failures)
			return error_no_memory(err);
		return error_set(err, ERR_STORE, "a job's record is damaged");
	}
	*ret = record;
	return 0;
}
