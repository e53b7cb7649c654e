#include "engine/input.h"

#include "base/mem.h"

static void held_free(struct held *held)
{
	while (held != NULL) {
		struct held *next = held->next;

		if (held->slab != NULL)
			slab_unref(held->slab);
		buf_done(&held->failure);
		mem_free(held);
		held = next;
	}
}

static void input_free(struct input *input)
{
	if (input->held != NULL)
		for (uint32_t at = 0; at < input->count; at++)
			held_free(input->held[at]);
	slab_unref(input->slab);
	mem_free(input->held);
	mem_free(input->retries);
	mem_free(input->groups);
	mem_free(input);
}

/* One allocation for the struct and all arrays of known size. */
static struct input *allocate(uint32_t count)
{
	size_t bitmap = bitmap_size(count);
	size_t words = (2 * (size_t)count + 1) * sizeof(uint32_t);
	struct input *input = mem_zalloc(sizeof(*input) + words + count + 2 * bitmap);
	char *at;

	if (input == NULL)
		return NULL;
	at = (char *)(input + 1);
	input->offsets = (uint32_t *)at;
	input->parts = input->offsets + count + 1;
	input->fate = (uint8_t *)(input->parts + count);
	input->done = input->fate + count;
	input->next = input->done + bitmap;
	return input;
}

/* Lines: each text ends with a NUL. False when there are not exactly `count`. */
static bool index_lines(struct input *input)
{
	const char *base = input->slab->data, *end = base + input->size;
	const char *at = base + sizeof(struct block_head), *nul;

	for (uint32_t index = 0; index < input->count; index++) {
		nul = memchr(at, '\0', (size_t)(end - at));
		if (nul == NULL)
			return false;
		input->offsets[index] = (uint32_t)(at - base);
		at = nul + 1;
	}
	input->offsets[input->count] = (uint32_t)(at - base);
	return at == end;
}

/* `parts` failed parts; those of one item stand side by side and are one item here. */
static bool index_retries(struct input *input, uint32_t parts)
{
	size_t at = sizeof(struct block_head);

	input->retries = mem_alloc((parts + 1) * sizeof(input->retries[0]));
	input->groups = mem_alloc((parts + 1) * sizeof(input->groups[0]));
	input->count = 0;
	if (input->retries == NULL || input->groups == NULL)
		return false;
	for (uint32_t part = 0; part < parts; part++) {
		struct retry *retry = &input->retries[part];

		if (input->size - at < sizeof(retry->head))
			return false;
		memcpy(&retry->head, input->slab->data + at, sizeof(retry->head));
		at += sizeof(retry->head);
		if (input->size - at < (size_t)retry->head.len + 1)
			return false;
		retry->offset = (uint32_t)at;
		at += retry->head.len + 1;
		if (part == 0 || retry->head.item != retry[-1].head.item)
			input->groups[input->count++] = part;
	}
	input->groups[input->count] = parts;
	return at == input->size;
}

struct input *input_new(struct slab *slab, uint32_t size, const struct block_head *head,
	const uint32_t *offsets, bool *ret_damaged)
{
	struct input *input = allocate(head->count);
	bool indexed = true;

	*ret_damaged = false;
	if (input == NULL)
		return NULL;
	atomic_init(&input->refs, 1);
	list_init(&input->link);
	list_init(&input->order);
	list_init(&input->touched);
	input->number = head->number;
	input->first_item = head->first_item;
	input->count = head->count;
	input->kind = head->kind;
	input->slab = slab;
	input->size = size;
	if (offsets != NULL)
		memcpy(input->offsets, offsets, (head->count + 1) * sizeof(offsets[0]));
	else
		indexed = head->kind == BLOCK_RETRIES ? index_retries(input, head->count)
						      : index_lines(input);
	if (!indexed) {
		*ret_damaged = head->kind == BLOCK_LINES ||
			       (input->retries != NULL && input->groups != NULL);
		mem_free(input->retries);
		mem_free(input->groups);
		mem_free(input);
		return NULL;
	}
	return input;
}

static void take_bitmap(struct input *input, const uint8_t *bitmap, size_t len)
{
	if (len > 0)
		memcpy(input->done, bitmap, MIN(len, bitmap_size(input->count)));
	memcpy(input->next, input->done, bitmap_size(input->count));
	for (uint32_t index = 0; index < input->count; index++) {
		if (bitmap_test(input->done, bitmap_size(input->count), index)) {
			input->fate[index] = FATE_DONE | FATE_OVER;
			input->done_count++;
		}
	}
	input->next_count = input->done_count;
}

int input_decode(const void *bytes, size_t len, const uint8_t *bitmap, size_t bitmap_len,
	struct input **ret, struct error *err)
{
	struct block_head head;
	struct input *input;
	struct slab *slab;
	bool damaged;

	if (block_check(bytes, len, &head, err) < 0)
		return -1;
	slab = slab_new(len);
	if (slab == NULL)
		return error_no_memory(err);
	memcpy(slab->data, bytes, len);
	input = input_new(slab, (uint32_t)len, &head, NULL, &damaged);
	if (input == NULL) {
		slab_unref(slab);
		return damaged ? error_set(err, ERR_STORE, "input block %llu is damaged",
					 (unsigned long long)head.number)
			       : error_no_memory(err);
	}
	take_bitmap(input, bitmap, bitmap_len);
	input->stored = input->stored_next = true;
	*ret = input;
	return 0;
}

void input_ref_n(struct input *input, uint32_t n)
{
	atomic_fetch_add_explicit(&input->refs, n, memory_order_relaxed);
}

void input_unref_n(struct input *input, uint32_t n)
{
	if (n > 0 && atomic_fetch_sub_explicit(&input->refs, n, memory_order_acq_rel) == n)
		input_free(input);
}
