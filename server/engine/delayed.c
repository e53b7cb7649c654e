/*
 * Items that wait for their next attempt: a binary heap by time, a pipeline's own. They count
 * as queued in front of their stage. See pipeline.h; the pipeline's lock is held throughout.
 */
#include "base/clock.h"
#include "base/random.h"
#include "engine/internal.h"

uint64_t backoff_ns(
	const struct stage_def *def, unsigned attempts, const struct verdict *verdict)
{
	uint64_t ms = def->backoff_ms;

	for (unsigned at = 1; at < attempts && ms < def->max_backoff_ms; at++)
		ms *= 2;
	ms = MIN(ms, def->max_backoff_ms);
	/* Full jitter:
	 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
	return verdict->retry_after_ms * NS_PER_MS + random_below(ms * NS_PER_MS + 1);
}

static void delayed_swap(struct delayed *a, struct delayed *b)
{
	struct delayed c = *a;

	*a = *b;
	*b = c;
}

static int delayed_push(struct pipeline *pipeline, const struct delayed *entry)
{
	unsigned at = pipeline->delayed_count;

	if (at == pipeline->delayed_capacity) {
		unsigned capacity = at * 2 + 16;
		struct delayed *heap = mem_realloc(pipeline->delayed, capacity * sizeof(*heap));

		if (heap == NULL)
			return -1;
		pipeline->delayed = heap;
		pipeline->delayed_capacity = capacity;
	}
	pipeline->delayed[at] = *entry;
	pipeline->delayed_count++;
	for (; at > 0 && pipeline->delayed[(at - 1) / 2].due_ns > pipeline->delayed[at].due_ns;
		at = (at - 1) / 2)
		delayed_swap(&pipeline->delayed[at], &pipeline->delayed[(at - 1) / 2]);
	return 0;
}

static void delayed_pop(struct pipeline *pipeline, struct delayed *ret)
{
	struct delayed *heap = pipeline->delayed;
	unsigned at = 0, child, count;

	*ret = heap[0];
	heap[0] = heap[--pipeline->delayed_count];
	count = pipeline->delayed_count;
	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count && heap[child + 1].due_ns < heap[child].due_ns)
			child++;
		if (heap[at].due_ns <= heap[child].due_ns)
			break;
		delayed_swap(&heap[at], &heap[child]);
		at = child;
	}
}

/* A waiting item shall not pin the 64 KiB it came with. */
static int make_small(struct item *item)
{
	struct slab *slab = slab_new(item->len + 1u);

	if (slab == NULL)
		return -1;
	memcpy(slab->data, item_text(item), item->len + 1u);
	slab_unref(item->slab);
	item->slab = slab;
	item->off = 0;
	return 0;
}

int pipeline_try_again(struct pipeline *pipeline, struct stage_run *run, struct item *item,
	const struct verdict *verdict)
{
	uint64_t wait_ns = backoff_ns(run->def, item->attempt + 1u, verdict);
	struct delayed entry = { clock_mono_ns() + wait_ns, run->index, *item };

	if (wait_ns > 10 * NS_PER_MS && make_small(&entry.item) == 0)
		*item = entry.item;
	entry.item.attempt++;
	if (delayed_push(pipeline, &entry) < 0)
		return -1;
	run->queue.delayed++;
	run->queue.bytes += item_weight(item);
	run->counts.retries++;
	pipeline_due(pipeline, entry.due_ns);
	return 0;
}

void pipeline_release_delayed(struct pipeline *pipeline, uint64_t now_ns)
{
	struct delayed entry;

	while (pipeline->delayed_count > 0 && pipeline->delayed[0].due_ns <= now_ns) {
		struct queue *queue;

		delayed_pop(pipeline, &entry);
		queue = &pipeline->stages[entry.stage].queue;
		queue->delayed--;
		queue->bytes -= item_weight(&entry.item);
		if (queue_push_front(queue, &entry.item, 1) < 0) {
			pipeline_lost(pipeline);
			slab_unref(entry.item.slab);
		}
	}
	if (pipeline->delayed_count > 0)
		pipeline_due(pipeline, pipeline->delayed[0].due_ns);
	if (pipeline->source != NULL && pipeline->source_due_ns > now_ns)
		pipeline_due(pipeline, pipeline->source_due_ns);
}
