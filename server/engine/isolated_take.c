/*
 * What goes into a round's order, and what is taken out of its report.
 *
 * The report lies in memory that the stage's code may have written over. Numbers are read once
 * and checked (isolate/share.h); texts are copied into the job's own memory first, and the copy
 * is checked as an item that comes in over HTTP is.
 */
#include "engine/internal.h"
#include "engine/isolated_parts.h"

/* ---- the order ---- */

static void write_item(
	struct share *share, unsigned slot, const struct item *item, uint32_t off)
{
	share->order->items[slot] =
		(struct share_item){ .number = input_item_number(item->input, item->index),
			.part = item->part,
			.off = off,
			.len = item->len,
			.attempt = item->attempt };
	/* With the NUL behind it. */
	memcpy(share->order_texts + off, item_text(item), item->len + 1u);
}

static void write_head(struct share *share, struct stage_run *run, unsigned count)
{
	const char *trace = pipeline_traceparent(run->pipeline);
	struct share_order *order = share->order;

	order->round++;
	order->count = count;
	order->timeout_ns = isolated_timeout_ns(run);
	atomic_store(&order->cancelled, 0);
	if (trace != NULL && order->traceparent[0] == '\0')
		memcpy(order->traceparent, trace, TRACE_TEXT_SIZE);
	atomic_store(&share->report->ended, 0);
	atomic_store(&share->report->current, 0);
	share->report->stop = SHARE_ALL;
}

void isolated_order(struct isolated_round *round)
{
	const struct isolated_work *work = round->work;
	struct share *share = &round->worker->host.share;
	unsigned count = 0, max = round->alone ? 1 : SHARE_ITEMS_MAX;
	uint32_t off = 0;

	/* One of any size fits; the next ones as long as they stay below the soft bound. */
	for (uint32_t at = round->first; at < work->count && count < max; at++) {
		const struct item *item = &work->items[at];

		if (work->outcome[at] != ISOLATED_LEFT)
			continue;
		if (count > 0 && off + item->len >= SHARE_TEXT_SOFT)
			break;
		write_item(share, count, item, off);
		round->index[count++] = at;
		off += item->len + 1;
	}
	share->order_swollen |= off > SHARE_TEXT_SOFT;
	round->count = count;
	write_head(share, round->worker->isolated->run, count);
}

/* ---- the report ---- */

/* How far the report has been taken. */
struct taken {
	uint32_t pieces, texts;
};

/* 0: taken; 1: the item has failed over it; -1: it is no text. */
static int take_text(
	struct isolated_round *round, const struct share_piece *piece, struct error *err)
{
	struct share *share = &round->worker->host.share;
	struct stage_ctx *ctx = round->work->ctx;
	char *to = stage_reserve(ctx, piece->len);

	if (to == NULL)
		return 1;
	memcpy(to, share->report_texts + piece->off, piece->len);
	if (json_check(round->worker->check, to, piece->len, err) < 0)
		return -1;
	share->report_swollen |= piece->off > SHARE_TEXT_SOFT;
	return stage_emit_reserved(ctx, piece->len) == STAGE_OK ? 0 : 1;
}

static int take_pieces(struct isolated_round *round, const struct share_outcome *outcome,
	struct taken *taken, struct error *err)
{
	struct share_piece piece;
	int result = 0;

	for (uint32_t at = 0; result == 0 && at < outcome->count; at++) {
		if (!share_read_piece(&round->worker->host.share, outcome->first + at,
			    taken->texts, &piece))
			return error_set(err, ERR_INTERNAL, "a text that is nowhere");
		if (piece.off == SHARE_INPUT) {
			result = stage_emit_input(round->work->ctx) == STAGE_OK ? 0 : 1;
			continue;
		}
		taken->texts = piece.off + piece.len;
		result = take_text(round, &piece, err);
	}
	taken->pieces += outcome->count;
	return MIN(result, 0);
}

static int take_failure(struct isolated_round *round, unsigned slot,
	const struct share_outcome *outcome, struct error *err)
{
	char why[SHARE_WHY_MAX];

	if (outcome->kind > FAILURE_TIMEOUT)
		return error_set(err, ERR_INTERNAL, "a kind of failure that there is not");
	share_read_why(&round->worker->host.share, slot, why);
	ctx_fail(round->work->ctx, (enum failure_kind)outcome->kind, "%s", why);
	return 0;
}

static int take_item(
	struct isolated_round *round, unsigned slot, struct taken *taken, struct error *err)
{
	struct isolated_work *work = round->work;
	uint32_t index = round->index[slot];
	struct share_outcome outcome;
	int result;

	if (!share_read_outcome(&round->worker->host.share, slot, taken->pieces, &outcome))
		return error_set(err, ERR_INTERNAL, "an outcome that cannot be");
	ctx_begin(work->ctx, &work->items[index]);
	result = outcome.fate == SHARE_FAILED ? take_failure(round, slot, &outcome, err)
					      : take_pieces(round, &outcome, taken, err);
	if (result < 0) /* what it has emitted so far, too */
		emitter_rewind(work->ctx->emitter, work->ctx->mark);
	else
		work->settle(work->arg, index,
			ctx_end(work->ctx, work->ctx->failed ? STAGE_FAILED : STAGE_OK));
	return result;
}

unsigned isolated_take(struct isolated_round *round, unsigned count, struct error *err)
{
	struct taken taken = { 0 };

	for (unsigned slot = 0; slot < count; slot++)
		if (take_item(round, slot, &taken, err) < 0)
			return slot;
	return count;
}
