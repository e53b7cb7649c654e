/* orders: total = price × qty, a digest of the text; orders of nothing are dropped. */
#include <nettle/sha2.h>

#include "stage_slice.h"
#include "stage_yyjson.h"

#define BAD_ORDER "an order has an id, the numbers price and qty, and the string text"

struct orders {
	int64_t rounds;
};

static const struct stage_param orders_params[] = {
	{ "rounds", STAGE_INT, .def = "1", .min = 1, .max = 1e6,
		.doc = "times to hash the text", .offset = offsetof(struct orders, rounds) },
	{ 0 },
};

static char *put_sha(char *to, yyjson_val *text, int64_t rounds)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	for (sha256_init(&sha); rounds > 0; rounds--)
		sha256_update(&sha, yyjson_get_len(text), (const void *)yyjson_get_str(text));
	sha256_digest(&sha, sizeof(digest), digest);
	return stage_put_hex(to, digest, sizeof(digest));
}

static enum stage_result orders_run(void *instance, struct stage_ctx *ctx)
{
	const struct orders *orders = instance;
	struct stage_slice id = stage_slice_member(stage_slice_input(ctx), "id");
	yyjson_val *price, *qty, *text;
	struct stage_tree tree;
	char *to, *at;

	if (!stage_tree_read(ctx, &tree, YYJSON_READ_BIGNUM_AS_RAW))
		return STAGE_FAILED;
	price = yyjson_obj_get(tree.root, "price");
	qty = yyjson_obj_get(tree.root, "qty");
	text = yyjson_obj_get(tree.root, "text");
	if (!yyjson_is_num(price) || !yyjson_is_num(qty) || !yyjson_is_str(text) || !id.at)
		return stage_tree_done(&tree, stage_fail(ctx, STAGE_PERMANENT, BAD_ORDER));
	if (yyjson_get_num(qty) == 0)
		return stage_tree_done(&tree, STAGE_OK);
	to = at = stage_reserve(ctx, id.len + STAGE_REAL_MAX + 2 * SHA256_DIGEST_SIZE + 32);
	if (at == NULL)
		return stage_tree_done(&tree, STAGE_FAILED);
	at = stage_put(STAGE_PUT(at, "{\"id\":"), id.at, id.len);
	at = STAGE_PUT(at, ",\"total\":");
	at = stage_put_real(at, yyjson_get_num(price) * yyjson_get_num(qty));
	at = STAGE_PUT(put_sha(STAGE_PUT(at, ",\"sha\":\""), text, orders->rounds), "\"}");
	return stage_tree_done(&tree, stage_emit_reserved(ctx, (size_t)(at - to)));
}

STAGE(.name = "orders", .version = "1.0.0", .summary = "Work on orders, with yyjson",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct orders),
	.params = orders_params, .run = orders_run);
