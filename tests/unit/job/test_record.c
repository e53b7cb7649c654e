#include <criterion/criterion.h>

#include <stdlib.h>

#include "base/mem.h"
#include "job/record.h"

/* Every field its own value. */
static void fill(struct job_record *record, unsigned stages)
{
	uint64_t value = 1000;

	cr_assert(job_record_init(record, stages) == 0);
#define X(type, name) record->name = value++;
	RECORD_FIELDS(X)
#undef X
	record->state = JOB_FINISHING;
	job_record_set_owner(record, "ci of team a");
	for (unsigned i = 0; i < stages; i++)
		record->stages[i] = (struct stage_counts){ i, i + 1, i + 2, i + 3, i + 4 };
}

static void expect_same(const struct job_record *a, const struct job_record *b)
{
#define X(type, name) cr_expect(a->name == b->name, #name);
	RECORD_FIELDS(X)
#undef X
	cr_assert(a->stage_count == b->stage_count);
	cr_expect(memcmp(a->stages, b->stages, a->stage_count * sizeof(a->stages[0])) == 0);
	cr_expect((a->error == NULL) == (b->error == NULL));
	cr_expect((a->report == NULL) == (b->report == NULL));
	cr_expect_str_eq(a->owner, b->owner);
	if (a->error != NULL && b->error != NULL)
		cr_expect_str_eq(a->error, b->error);
	if (a->report != NULL && b->report != NULL)
		cr_expect_str_eq(a->report, b->report);
}

Test(record, reads_back_what_was_written)
{
	for (unsigned stages = 0; stages < 5; stages++) {
		struct job_record record, back;
		struct buf bytes = BUF_INIT;
		struct error err;

		fill(&record, stages);
		if (stages & 1)
			record.error = mem_strdup("{\"title\":\"x\"}");
		if (stages & 2)
			record.report = mem_strdup("");
		cr_assert(job_record_encode(&record, &bytes) == 0);
		cr_assert(job_record_decode(bytes.data, bytes.len, &back, &err) == 0, "%s",
			err.text);
		expect_same(&record, &back);
		job_record_done(&record);
		job_record_done(&back);
		buf_done(&bytes);
	}
}

Test(record, cut_off_anywhere_it_is_damaged)
{
	struct job_record record, back;
	struct buf bytes = BUF_INIT;
	struct error err;

	fill(&record, 3);
	record.error = mem_strdup("{}");
	record.report = mem_strdup("[1]");
	cr_assert(job_record_encode(&record, &bytes) == 0);
	for (size_t len = 0; len < bytes.len; len++) {
		/* Its own block, so that a sanitizer sees a read beyond it. */
		_auto_free_ char *part = mem_alloc(len + (len == 0));

		memcpy(part, bytes.data, len);
		cr_expect(job_record_decode(part, len, &back, &err) < 0, "%zu", len);
		cr_expect(err.code == ERR_STORE);
	}
	job_record_done(&record);
	buf_done(&bytes);
}

Test(record, of_a_newer_leat_is_refused_and_of_an_older_one_read)
{
	struct job_record record, back;
	struct buf bytes = BUF_INIT;
	const size_t gone = 2 * sizeof(uint64_t);
	size_t fields, tail;
	struct error err;

	fill(&record, 1);
	cr_assert(job_record_encode(&record, &bytes) == 0);
	bytes.data[0] = RECORD_VERSION + 1;
	cr_expect(job_record_decode(bytes.data, bytes.len, &back, &err) < 0);
	cr_expect(strstr(err.text, "use a newer leat") != NULL);
	bytes.data[0] = 0;
	cr_expect(job_record_decode(bytes.data, bytes.len, &back, &err) < 0);
	bytes.data[0] = RECORD_VERSION;
	bytes.data[1]++;
	cr_expect(job_record_decode(bytes.data, bytes.len, &back, &err) < 0);

	/* The same without the last two fields, the owner's length and what came behind it, as
	 * before they were appended. */
	bytes.len -= strlen(record.owner);
	fields = (size_t)(unsigned char)--bytes.data[1] * sizeof(uint64_t);
	bytes.data[1] = (char)(bytes.data[1] - 2);
	tail = bytes.len - 4 - fields;
	memmove(bytes.data + 4 + fields - gone, bytes.data + 4 + fields, tail);
	cr_assert(job_record_decode(bytes.data, bytes.len - gone, &back, &err) == 0, "%s",
		err.text);
	cr_expect(back.received == record.received);
	cr_expect(back.stages[0].retries == 4);
	cr_expect_str_eq(back.owner, "");
	job_record_done(&back);
	job_record_done(&record);
	buf_done(&bytes);
}

Test(record, an_owner_that_cannot_be_is_damage_and_a_long_name_is_cut)
{
	struct job_record record, back;
	struct buf bytes = BUF_INIT;
	char name[2 * RECORD_OWNER_SIZE];
	struct error err;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	fill(&record, 1);
	job_record_set_owner(&record, name);
	cr_expect(strlen(record.owner) == RECORD_OWNER_SIZE - 1);
	record.owner_len = RECORD_OWNER_SIZE;
	cr_assert(job_record_encode(&record, &bytes) == 0);
	cr_expect(job_record_decode(bytes.data, bytes.len, &back, &err) < 0);
	cr_expect(err.code == ERR_STORE);
	job_record_done(&record);
	buf_done(&bytes);
}

Test(record, a_state_that_is_none_is_damage)
{
	struct job_record record, back;
	struct buf bytes = BUF_INIT;
	struct error err;

	fill(&record, 1);
	record.state = JOB_STATE_COUNT;
	cr_assert(job_record_encode(&record, &bytes) == 0);
	cr_expect(job_record_decode(bytes.data, bytes.len, &back, &err) < 0);
	job_record_done(&record);
	buf_done(&bytes);
}

Test(record, copies_are_deep)
{
	struct job_record record, copy;

	fill(&record, 2);
	record.error = mem_strdup("{}");
	cr_assert(job_record_init(&copy, 2) == 0);
	copy.report = mem_strdup("old");
	cr_assert(job_record_copy(&copy, &record) == 0);
	expect_same(&copy, &record);
	cr_expect(copy.stages != record.stages && copy.error != record.error);
	job_record_done(&record);
	cr_expect_str_eq(copy.error, "{}");
	job_record_done(&copy);
}

Test(record, finished_is_the_sum_of_outcomes)
{
	struct job_record record = {
		.succeeded = 1, .filtered = 20, .failed = 300, .cancelled = 4000
	};

	cr_expect(job_record_finished(&record) == 4321);
}
