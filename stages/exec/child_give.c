/* What a child is given to do, and what it is told to leave. */
#include <stdio.h>

#include "child_parts.h"

#define GRACE_MS 100 /* plain: for the answer to what nobody wants any more */

/* ---- giving it items ---- */

static int reserve_slots(struct child *child, unsigned more)
{
	unsigned capacity;
	struct slot *slots;

	if (child->first > 0) {
		memmove(child->slots, child->slots + child->first,
			(child->last - child->first) * sizeof(*slots));
		child->last -= child->first;
		child->first = 0;
	}
	if (child->capacity - child->last >= more)
		return 0;
	capacity = child->last + more + child->capacity;
	slots = realloc(child->slots, capacity * sizeof(*slots));
	if (slots == NULL)
		return -1;
	child->slots = slots;
	child->capacity = capacity;
	return 0;
}

bool child_may_take(const struct child *child, const struct task *task)
{
	if (child->condemned || child->exited || child->out_ended || child->wait == WAIT_GRACE)
		return false;
	for (unsigned at = child->first; at < child->last; at++)
		if (slot_is_wanted(&child->slots[at]) && child->slots[at].task->alone)
			return false;
	return task->alone ? child->load == 0 : child->load < child->window.items;
}

static size_t frame_size(const char *id, size_t len)
{
	return strlen(id) + len + 80;
}

static size_t task_size(struct task *task)
{
	size_t size = 20, len;

	for (unsigned at = 0; at < task->left; at++) {
		struct stage_ctx *item = task_item(task, at);

		stage_input(item, &len);
		size += frame_size(stage_item_id(item), len);
	}
	return size;
}

static void put_frame(struct bytes *todo, struct stage_ctx *item)
{
	size_t len;
	const char *text = stage_input(item, &len);
	char head[200];
	int size = snprintf(head, sizeof(head),
		"{\"item\":\"%s\",\"attempt\":%u,\"value\":", stage_item_id(item),
		stage_attempt(item));

	bytes_put(todo, head, (size_t)size);
	bytes_put(todo, text, len);
	bytes_put(todo, "}", 1);
}

static void put_task(struct child *child, struct task *task)
{
	struct bytes *todo = &child->todo;
	bool frame = child->program->framed;
	uint64_t now_ns = uv_hrtime();

	if (frame && task->batch)
		bytes_put(todo, "{\"batch\":[", 10);
	for (unsigned at = 0; at < task->left; at++) {
		struct stage_ctx *item = task_item(task, at);
		const char *id = stage_item_id(item), *text;
		size_t len;

		child->slots[child->last++] =
			(struct slot){ task, item, slot_hash(id, strlen(id)), now_ns, false };
		if (frame && at > 0)
			bytes_put(todo, ",", 1);
		if (frame) {
			put_frame(todo, item);
		} else {
			text = stage_input(item, &len);
			bytes_put(todo, text, len);
			if (at + 1 < task->left)
				bytes_put(todo, "\n", 1);
		}
	}
	if (frame && task->batch)
		bytes_put(todo, "]}", 2);
	bytes_put(todo, "\n", 1);
}

bool child_give(struct child *child, struct task *task)
{
	if (reserve_slots(child, task->left) < 0 ||
		bytes_reserve(&child->todo, task_size(task)) < 0)
		return false;
	if (child->load == 0)
		window_begin(&child->window, uv_hrtime());
	if (child->wait == WAIT_IDLE)
		child_wait_for(child, WAIT_NOTHING, 0);
	put_task(child, task);
	child->load += task->left;
	child->dirty = true;
	return true;
}

static void written(uv_write_t *write, int status)
{
	struct child *child = write->handle->data;

	child->writing = false;
	child->under_way.len = 0;
	if (status == 0 && child->dirty)
		child_flush(child);
}

void child_flush(struct child *child)
{
	struct bytes bytes = child->todo;
	uv_buf_t buf;

	child->dirty = child->writing;
	if (child->writing || bytes.len == 0 || uv_is_closing((uv_handle_t *)&child->in))
		return;
	child->todo = child->under_way;
	child->under_way = bytes;
	buf = uv_buf_init(bytes.data, (unsigned)bytes.len);
	/* Where it does not read, its end or a deadline says what becomes of the items. */
	child->writing =
		uv_write(&child->write, (uv_stream_t *)&child->in, &buf, 1, written) == 0;
	if (!child->writing)
		child->under_way.len = 0;
}

/* ---- nobody wants it any more ---- */

static void say_cancel(struct child *child, const char *id)
{
	char line[200];
	int len = snprintf(line, sizeof(line), "{\"cancel\":\"%s\"}\n", id);

	if (!child->program->framed || bytes_reserve(&child->todo, (size_t)len) < 0)
		return;
	bytes_put(&child->todo, line, (size_t)len);
	child_flush(child);
}

struct task *child_forget(struct child *child, const struct stage_ctx *ctx)
{
	struct task *whole = NULL;

	for (unsigned at = child->first; at < child->last; at++) {
		struct slot *slot = &child->slots[at];

		if (slot->answered || slot->task == NULL || slot->task->ctx != ctx)
			continue;
		whole = task_forget(slot->task);
		say_cancel(child, stage_item_id(slot->item));
		slot->task = NULL;
		slot->item = NULL;
	}
	if (whole == NULL)
		return NULL;
	if (child->wait == WAIT_NOTHING && !child->condemned)
		child_wait_for(child, WAIT_GRACE,
			child->program->framed ? (uint64_t)child->program->kill_ms : GRACE_MS);
	child_settle(child);
	return whole;
}
