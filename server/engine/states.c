#include "engine/states.h"

#include <string.h>

const char *states_view(const void *stored, size_t len, enum state_of of, size_t *ret_len)
{
	const char *bytes = stored;
	uint32_t first = 0;

	*ret_len = 0;
	if (len < sizeof(first))
		return NULL;
	memcpy(&first, bytes, sizeof(first));
	if (first > len - sizeof(first))
		return NULL;
	*ret_len = of == STATE_SOURCE ? first : len - sizeof(first) - first;
	return bytes + sizeof(first) + (of == STATE_SOURCE ? 0 : first);
}

int states_load(struct states *states, const void *stored, size_t len)
{
	for (int of = STATE_SOURCE; of <= STATE_SINK; of++) {
		size_t part_len;
		const char *part = states_view(stored, len, (enum state_of)of, &part_len);

		buf_clear(&states->of[of].now);
		if (part_len > 0 && buf_append(&states->of[of].now, part, part_len) < 0)
			return -1;
	}
	return 0;
}

void states_done(struct states *states)
{
	for (int of = STATE_SOURCE; of <= STATE_SINK; of++) {
		buf_done(&states->of[of].now);
		buf_done(&states->of[of].next);
	}
}

int states_put(struct states *states, enum state_of of, const void *bytes, size_t len)
{
	struct buf *next = &states->of[of].next;

	if (buf_reserve(next, len) < 0)
		return -1;
	buf_clear(next);
	if (len > 0)
		buf_append(next, bytes, len);
	states->of[of].changed = true;
	return 0;
}

bool states_changed(const struct states *states)
{
	return states->of[STATE_SOURCE].changed || states->of[STATE_SINK].changed;
}

static const struct buf *newest(const struct states *states, enum state_of of)
{
	return states->of[of].changed ? &states->of[of].next : &states->of[of].now;
}

int states_encode(const struct states *states, struct buf *to)
{
	const struct buf *source = newest(states, STATE_SOURCE),
			 *sink = newest(states, STATE_SINK);
	uint32_t first = (uint32_t)source->len;

	if (buf_reserve(to, sizeof(first) + source->len + sink->len) < 0)
		return -1;
	buf_append(to, &first, sizeof(first));
	if (source->len > 0)
		buf_append(to, source->data, source->len);
	if (sink->len > 0)
		buf_append(to, sink->data, sink->len);
	return 0;
}

void states_commit(struct states *states)
{
	for (int of = STATE_SOURCE; of <= STATE_SINK; of++) {
		struct buf old = states->of[of].now;

		if (!states->of[of].changed)
			continue;
		states->of[of].now = states->of[of].next;
		states->of[of].next = old;
		states->of[of].changed = false;
	}
}

void states_abort(struct states *states)
{
	states->of[STATE_SOURCE].changed = states->of[STATE_SINK].changed = false;
}
