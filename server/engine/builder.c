#include "engine/builder.h"

#include "base/mem.h"

static size_t space_for(size_t len)
{
	return len + 1;
}

bool builder_fits(const struct builder *builder, size_t len)
{
	if (builder->slab == NULL)
		return true;
	return builder->count < BLOCK_ITEMS_MAX &&
	       builder->slab->size - builder->used >= space_for(len);
}

static int begin(struct builder *builder, size_t len, size_t hint)
{
	size_t size = sizeof(struct block_head) + space_for(len);

	if (hint == 0 || hint > BLOCK_SIZE_MAX)
		hint = BLOCK_SIZE_MAX;
	builder->slab = slab_new(
		MAX(size, MIN(hint + sizeof(struct block_head) + 256, (size_t)BLOCK_SIZE_MAX)));
	if (builder->slab == NULL)
		return -1;
	builder->used = sizeof(struct block_head);
	builder->count = 0;
	return 0;
}

int builder_add(struct builder *builder, const char *text, size_t len, size_t hint)
{
	char *to;

	if (builder->slab == NULL && begin(builder, len, hint) < 0)
		return -1;
	to = builder->slab->data + builder->used;
	memcpy(to, text, len);
	to[len] = '\0';
	builder->offsets[builder->count++] = builder->used;
	builder->used += (uint32_t)len + 1;
	return 0;
}

int builder_grow(struct builder *builder, size_t len)
{
	struct slab *slab = builder->slab, *larger;

	if (slab == NULL || slab->size - builder->used > len)
		return 0;
	larger = slab_new(builder->used + len + builder->used / 2 + 1);
	if (larger == NULL)
		return -1;
	memcpy(larger->data, slab->data, builder->used);
	slab_unref(slab);
	builder->slab = larger;
	return 0;
}

int builder_add_retry(struct builder *builder, struct retry_head head, const char *text)
{
	char *to;

	if (builder->slab == NULL && begin(builder, sizeof(head) + head.len, 0) < 0)
		return -1;
	to = builder->slab->data + builder->used;
	memcpy(to, &head, sizeof(head));
	memcpy(to + sizeof(head), text, head.len);
	to[sizeof(head) + head.len] = '\0';
	/* No offset: one item may have failed in more parts than a block of lines has items. */
	builder->used += (uint32_t)(sizeof(head) + head.len + 1);
	builder->count++;
	return 0;
}

struct input *builder_finish(struct builder *builder, enum block_kind kind)
{
	struct block_head *head = (struct block_head *)builder->slab->data;
	struct input *input;
	bool damaged;

	*head = (struct block_head){
		.version = BLOCK_VERSION, .kind = (uint8_t)kind, .count = builder->count
	};
	block_seal(head, builder->used - sizeof(*head));
	if (kind == BLOCK_LINES)
		builder->offsets[builder->count] = builder->used;
	input = input_new(builder->slab, builder->used, head,
		kind == BLOCK_LINES ? builder->offsets : NULL, &damaged);
	if (input == NULL)
		return NULL;
	builder->slab = NULL;
	builder->count = builder->used = 0;
	return input;
}

void builder_done(struct builder *builder)
{
	if (builder->slab != NULL)
		slab_unref(builder->slab);
	builder->slab = NULL;
}
