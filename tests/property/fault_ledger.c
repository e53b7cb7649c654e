#include "fault_ledger.h"

#include <stdatomic.h>
#include <stdlib.h>

struct fault_ledger {
	struct ledger base;
	struct ledger *inner;
	atomic_uint left, at, code, failed;
	unsigned calls; /* in this transaction; the commit thread's own */
};

static struct fault_ledger *of(struct ledger *ledger)
{
	return (struct fault_ledger *)ledger;
}

static struct ledger *in(struct ledger *ledger)
{
	return of(ledger)->inner;
}

static int hit(struct ledger *ledger, bool commit, struct error *err)
{
	struct fault_ledger *self = of(ledger);
	unsigned at = atomic_load(&self->at);

	self->calls++;
	if (atomic_load(&self->left) == 0 || (commit ? at != 0 : at != self->calls))
		return 0;
	atomic_fetch_sub(&self->left, 1);
	atomic_fetch_add(&self->failed, 1);
	return error_set(
		err, (enum error_code)atomic_load(&self->code), "as the test asked for");
}

static int do_begin(struct ledger *ledger, struct error *err)
{
	of(ledger)->calls = 0;
	return in(ledger)->ops->begin(in(ledger), err);
}

static int do_commit(struct ledger *ledger, struct error *err)
{
	if (hit(ledger, true, err) < 0) {
		in(ledger)->ops->abort(in(ledger));
		return -1;
	}
	return in(ledger)->ops->commit(in(ledger), err);
}

static void do_abort(struct ledger *ledger)
{
	in(ledger)->ops->abort(in(ledger));
}

static int do_put_job(struct ledger *ledger, const struct id *job, const void *definition,
	size_t definition_len, const void *record, size_t record_len, struct error *err)
{
	if (hit(ledger, false, err) < 0)
		return -1;
	return in(ledger)->ops->put_job(
		in(ledger), job, definition, definition_len, record, record_len, err);
}

static int do_put_input(struct ledger *ledger, const struct id *job, uint64_t block,
	const void *bytes, size_t len, struct error *err)
{
	if (hit(ledger, false, err) < 0)
		return -1;
	return in(ledger)->ops->put_input(in(ledger), job, block, bytes, len, err);
}

static int do_put_done(struct ledger *ledger, const struct id *job, uint64_t block,
	const void *bitmap, size_t len, struct error *err)
{
	if (hit(ledger, false, err) < 0)
		return -1;
	return in(ledger)->ops->put_done(in(ledger), job, block, bitmap, len, err);
}

static int do_drop_input(
	struct ledger *ledger, const struct id *job, uint64_t block, struct error *err)
{
	if (hit(ledger, false, err) < 0)
		return -1;
	return in(ledger)->ops->drop_input(in(ledger), job, block, err);
}

static int do_append(struct ledger *ledger, const struct id *job, enum ledger_log log,
	uint64_t seq, const void *bytes, size_t len, struct error *err)
{
	if (hit(ledger, false, err) < 0)
		return -1;
	return in(ledger)->ops->append(in(ledger), job, log, seq, bytes, len, err);
}

static int do_drop_failure(
	struct ledger *ledger, const struct id *job, uint64_t seq, struct error *err)
{
	if (hit(ledger, false, err) < 0)
		return -1;
	return in(ledger)->ops->drop_failure(in(ledger), job, seq, err);
}

static int do_trim_results(
	struct ledger *ledger, const struct id *job, uint64_t seq, struct error *err)
{
	return in(ledger)->ops->trim_results(in(ledger), job, seq, err);
}

static int do_put_key(struct ledger *ledger, const struct id *job, const char *key, size_t len,
	uint64_t lines, struct error *err)
{
	if (hit(ledger, false, err) < 0)
		return -1;
	return in(ledger)->ops->put_key(in(ledger), job, key, len, lines, err);
}

static int do_put_state(struct ledger *ledger, const struct id *job, const void *bytes,
	size_t len, struct error *err)
{
	if (hit(ledger, false, err) < 0)
		return -1;
	return in(ledger)->ops->put_state(in(ledger), job, bytes, len, err);
}

static int do_erase(struct ledger *ledger, const struct id *job, bool all, size_t budget,
	bool *ret_more, struct error *err)
{
	if (hit(ledger, false, err) < 0)
		return -1;
	return in(ledger)->ops->erase(in(ledger), job, all, budget, ret_more, err);
}

static int do_each_job(struct ledger *ledger, const struct id *before, ledger_job_fn fn,
	void *arg, struct error *err)
{
	return in(ledger)->ops->each_job(in(ledger), before, fn, arg, err);
}

static int do_get_job(struct ledger *ledger, const struct id *job, struct buf *definition,
	struct buf *record, struct error *err)
{
	return in(ledger)->ops->get_job(in(ledger), job, definition, record, err);
}

static int do_next_input(struct ledger *ledger, const struct id *job, uint64_t from,
	uint64_t *ret_block, struct buf *bytes, struct buf *bitmap, struct error *err)
{
	return in(ledger)->ops->next_input(
		in(ledger), job, from, ret_block, bytes, bitmap, err);
}

static int do_input_range(struct ledger *ledger, const struct id *job, uint64_t *ret_first,
	uint64_t *ret_last, uint64_t *ret_bytes, struct error *err)
{
	return in(ledger)->ops->input_range(
		in(ledger), job, ret_first, ret_last, ret_bytes, err);
}

static int do_each_value(struct ledger *ledger, const struct id *job, enum ledger_log log,
	uint64_t seq, ledger_value_fn fn, void *arg, struct error *err)
{
	return in(ledger)->ops->each_value(in(ledger), job, log, seq, fn, arg, err);
}

static int do_each_key(struct ledger *ledger, const struct id *job, ledger_key_fn fn, void *arg,
	struct error *err)
{
	return in(ledger)->ops->each_key(in(ledger), job, fn, arg, err);
}

static int do_get_state(
	struct ledger *ledger, const struct id *job, struct buf *bytes, struct error *err)
{
	return in(ledger)->ops->get_state(in(ledger), job, bytes, err);
}

static void do_stat(struct ledger *ledger, struct ledger_stat *ret)
{
	in(ledger)->ops->stat(in(ledger), ret);
}

static void do_close(struct ledger *ledger)
{
	ledger_close(in(ledger));
	free(ledger);
}

static const struct ledger_ops ops = {
	.begin = do_begin,
	.commit = do_commit,
	.abort = do_abort,
	.put_job = do_put_job,
	.put_input = do_put_input,
	.put_done = do_put_done,
	.drop_input = do_drop_input,
	.append = do_append,
	.drop_failure = do_drop_failure,
	.trim_results = do_trim_results,
	.put_key = do_put_key,
	.put_state = do_put_state,
	.erase = do_erase,
	.each_job = do_each_job,
	.get_job = do_get_job,
	.next_input = do_next_input,
	.input_range = do_input_range,
	.each_value = do_each_value,
	.each_key = do_each_key,
	.get_state = do_get_state,
	.stat = do_stat,
	.close = do_close,
};

struct ledger *fault_ledger_wrap(struct ledger *inner)
{
	struct fault_ledger *self = calloc(1, sizeof(*self));

	self->base.ops = &ops;
	self->inner = inner;
	return &self->base;
}

void fault_ledger_arm(struct ledger *ledger, unsigned count, unsigned at, enum error_code code)
{
	struct fault_ledger *self = of(ledger);

	atomic_store(&self->at, at);
	atomic_store(&self->code, code);
	atomic_store(&self->left, count);
}

unsigned fault_ledger_failed(struct ledger *ledger)
{
	return atomic_load(&of(ledger)->failed);
}
