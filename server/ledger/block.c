#include "ledger/block.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "base/mem.h"

static_assert(sizeof(struct block_head) == 32, "on disk");
static_assert(sizeof(struct retry_head) == 32, "on disk");
static_assert(sizeof(struct result_head) == 16, "on disk");
static_assert(sizeof(struct failure_head) == 48, "on disk");

static const char *const failure_kinds[] = {
	[FAILURE_PERMANENT] = "permanent",
	[FAILURE_TRANSIENT] = "transient",
	[FAILURE_TIMEOUT] = "timeout",
	[FAILURE_CRASH] = "crash",
};

const char *failure_kind_name(enum failure_kind kind)
{
	assert(kind >= 0 && kind < ARRAY_SIZE(failure_kinds));
	return failure_kinds[kind];
}

uint64_t block_checksum(const void *bytes, size_t len)
{
	return XXH3_64bits(bytes, len);
}

void block_seal(struct block_head *head, size_t len)
{
	head->version = BLOCK_VERSION;
	head->reserved = 0;
	head->checksum = block_checksum(head + 1, len);
}

/* `len` bytes hold exactly `count` texts, each with its NUL. */
static bool lines_fit(const char *at, size_t len, uint32_t count)
{
	const char *end = at + len;

	for (; count > 0; count--) {
		at = at == end ? NULL : memchr(at, '\0', (size_t)(end - at));
		if (at == NULL)
			return false;
		at++;
	}
	return at == end;
}

/* The same for texts that have a head each. */
static bool retries_fit(const char *at, size_t len, uint32_t count)
{
	struct retry_head head;

	for (; count > 0; count--) {
		if (len < sizeof(head))
			return false;
		memcpy(&head, at, sizeof(head));
		at += sizeof(head);
		len -= sizeof(head);
		if (len <= head.len || at[head.len] != '\0')
			return false;
		at += head.len + 1;
		len -= head.len + 1;
	}
	return len == 0;
}

int block_check(const void *bytes, size_t len, struct block_head *ret, struct error *err)
{
	const char *texts = (const char *)bytes + sizeof(*ret);
	struct block_head head;
	bool fits;

	if (len < sizeof(head))
		return error_set(err, ERR_STORE, "an input block is cut off: %zu bytes", len);
	memcpy(&head, bytes, sizeof(head));
	len -= sizeof(head);
	if (head.version != BLOCK_VERSION)
		return error_set(err, ERR_STORE,
			"an input block has format %u; this leat knows %d", head.version,
			BLOCK_VERSION);
	if (block_checksum(texts, len) != head.checksum)
		return error_set(err, ERR_STORE, "input block %llu is damaged: wrong checksum",
			(unsigned long long)head.number);
	fits = head.kind == BLOCK_LINES     ? lines_fit(texts, len, head.count)
	       : head.kind == BLOCK_RETRIES ? retries_fit(texts, len, head.count)
					    : false;
	if (!fits)
		return error_set(err, ERR_STORE,
			"input block %llu is damaged: it does not hold %u texts of kind %u",
			(unsigned long long)head.number, head.count, head.kind);
	*ret = head;
	return 0;
}

int result_view(const void *bytes, size_t len, struct result_view *ret, struct error *err)
{
	const char *body = (const char *)bytes + sizeof(struct result_head);
	struct result_head head;

	if (len < sizeof(head))
		return error_set(err, ERR_STORE, "a result block is cut off: %zu bytes", len);
	memcpy(&head, bytes, sizeof(head));
	len -= sizeof(head);
	if (head.version != BLOCK_VERSION)
		return error_set(err, ERR_STORE,
			"a result block has format %u; this leat knows %d", head.version,
			BLOCK_VERSION);
	if (len / sizeof(uint64_t) < head.count || block_checksum(body, len) != head.checksum)
		return error_set(err, ERR_STORE, "a result block is damaged: wrong checksum");
	ret->count = head.count;
	ret->items = body;
	ret->lines = body + head.count * sizeof(uint64_t);
	ret->lines_len = len - head.count * sizeof(uint64_t);
	return 0;
}

uint64_t result_view_item(const struct result_view *view, uint32_t index)
{
	uint64_t item;

	assert(index < view->count);
	memcpy(&item, view->items + index * sizeof(item), sizeof(item));
	return item;
}

uint32_t result_count(const void *bytes, size_t len)
{
	struct result_head head;

	if (len < sizeof(head))
		return 0;
	memcpy(&head, bytes, sizeof(head));
	return head.version == BLOCK_VERSION ? head.count : 0;
}

int failure_view(const void *bytes, size_t len, struct failure_view *ret, struct error *err)
{
	const char *body = (const char *)bytes + sizeof(ret->head);
	struct failure_head head;

	if (len < sizeof(head))
		return error_set(err, ERR_STORE, "a failure is cut off: %zu bytes", len);
	memcpy(&head, bytes, sizeof(head));
	len -= sizeof(head);
	if (head.version != BLOCK_VERSION)
		return error_set(err, ERR_STORE, "a failure has format %u; this leat knows %d",
			head.version, BLOCK_VERSION);
	if ((uint64_t)head.error_len + head.input_len != len ||
		head.kind >= ARRAY_SIZE(failure_kinds) ||
		block_checksum(body, len) != head.checksum)
		return error_set(err, ERR_STORE, "the failure of item %llu is damaged",
			(unsigned long long)head.item);
	*ret = (struct failure_view){ head, body, body + head.error_len };
	return 0;
}

int failure_encode(
	struct failure_head head, const char *error, const char *input, struct buf *to)
{
	size_t texts = (size_t)head.error_len + head.input_len;
	char *at;

	if (buf_reserve(to, sizeof(head) + texts) < 0)
		return -1;
	at = to->data + to->len;
	memcpy(at + sizeof(head), error, head.error_len);
	memcpy(at + sizeof(head) + head.error_len, input, head.input_len);
	head.version = BLOCK_VERSION;
	head.checksum = block_checksum(at + sizeof(head), texts);
	memcpy(at, &head, sizeof(head));
	to->len += sizeof(head) + texts;
	return 0;
}
