/*
 * Taking away what a job has in the ledger: a piece a transaction, so that no commit waits
 * long for it, or, of results that were read, from the front.
 */
#include "base/fault.h"
#include "base/mem.h"
#include "engine/internal.h"

#define ERASE_BYTES  (4u << 20) /* in one transaction */
#define ERASE_BLOCKS 64

/* ---- erasing ---- */

struct erase {
	struct commit_op op;
	struct job *job; /* a reference */
	enum erase_what what;
	uint64_t block;
	bool more;
};

/* Input blocks alone: the ledger has no call for that, it is rare and small. */
static int erase_input(struct erase *erase, struct ledger *ledger, struct error *err)
{
	struct buf bytes = BUF_INIT, bitmap = BUF_INIT;
	uint64_t block = erase->block, from = erase->block;
	int found = 1;

	for (unsigned n = 0; n < ERASE_BLOCKS; n++) {
		found = ledger->ops->next_input(
			ledger, &erase->job->id, from, &block, &bytes, &bitmap, err);
		if (found > 0 &&
			ledger->ops->drop_input(ledger, &erase->job->id, block, err) < 0)
			found = -1;
		if (found <= 0)
			break;
		from = block + 1;
	}
	erase->more = found > 0;
	buf_done(&bytes);
	buf_done(&bitmap);
	return found < 0 ? -1 : 0;
}

static int erase_apply(struct commit_op *op, struct ledger *ledger, struct error *err)
{
	struct erase *erase = CONTAINER_OF(op, struct erase, op);

	if (erase->what == ERASE_INPUT)
		return erase_input(erase, ledger, err);
	return ledger->ops->erase(ledger, &erase->job->id, erase->what == ERASE_ALL,
		ERASE_BYTES, &erase->more, err);
}

static void erase_done(struct commit_op *op, const struct error *err)
{
	struct erase *erase = CONTAINER_OF(op, struct erase, op);

	FAULT_POINT("erase-home");
	if (err == NULL && erase->more) {
		committer_submit(erase->job->engine->committer, &erase->op);
		return;
	}
	/* Refused only at the very end of the program; the next start finds it again. */
	job_unref(erase->job);
	mem_free(erase);
}

void job_erase(struct job *job, enum erase_what what)
{
	struct erase *erase = mem_zalloc(sizeof(*erase));

	if (erase == NULL)
		return; /* found again at the next start */
	list_init(&erase->op.link);
	erase->op.apply = erase_apply;
	erase->op.done = erase_done;
	erase->op.bytes = ERASE_BYTES;
	erase->op.must = erase->op.frees = true;
	erase->job = job_ref(job);
	erase->what = what;
	committer_submit(job->engine->committer, &erase->op);
}

/* ---- trimming ---- */

struct trim {
	struct commit_op op;
	struct job *job; /* a reference */
	enum ledger_log log;
	uint64_t from, upto;
};

static int trim_apply(struct commit_op *op, struct ledger *ledger, struct error *err)
{
	struct trim *trim = CONTAINER_OF(op, struct trim, op);

	if (trim->log == LEDGER_RESULTS)
		return ledger->ops->trim_results(ledger, &trim->job->id, trim->upto, err);
	for (uint64_t seq = trim->from; seq < trim->upto; seq++)
		if (ledger->ops->drop_failure(ledger, &trim->job->id, seq, err) < 0)
			return -1;
	return 0;
}

static void trim_done(struct commit_op *op, const struct error *err)
{
	struct trim *trim = CONTAINER_OF(op, struct trim, op);

	(void)err;
	job_unref(trim->job);
	mem_free(trim);
}

static int submit_trim(
	struct job *job, enum ledger_log log, uint64_t from, uint64_t upto, struct error *err)
{
	struct trim *trim = mem_zalloc(sizeof(*trim));

	if (trim == NULL)
		return error_no_memory(err);
	list_init(&trim->op.link);
	trim->op.apply = trim_apply;
	trim->op.done = trim_done;
	trim->op.must = true;
	trim->op.bytes = 256 + (log == LEDGER_FAILURES ? (upto - from) * 32 : 0);
	trim->job = job_ref(job);
	trim->log = log;
	trim->from = from;
	trim->upto = upto;
	committer_submit(job->engine->committer, &trim->op);
	return 0;
}

int job_trim_results(struct job *job, uint64_t upto, struct error *err)
{
	return submit_trim(job, LEDGER_RESULTS, 0, upto, err);
}

int job_trim_failures(struct job *job, uint64_t from, uint64_t upto, struct error *err)
{
	return submit_trim(job, LEDGER_FAILURES, from, upto, err);
}
