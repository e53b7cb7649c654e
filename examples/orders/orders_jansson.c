/* orders-jansson: the same as orders, written for comfort. */
#include <nettle/sha2.h>

#include "stage_jansson.h"
#include "stage_write.h"

#define BAD_ORDER "an order has an id, the numbers price and qty, and the string text"

struct orders {
	int64_t rounds;
};

static const struct stage_param orders_params[] = {
	{ "rounds", STAGE_INT, .def = "1", .min = 1, .max = 1e6,
		.doc = "times to hash the text", .offset = offsetof(struct orders, rounds) },
	{ 0 },
};

static void hash_text(const json_t *text, int64_t rounds, char hex[2 * SHA256_DIGEST_SIZE])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx hash;

	for (sha256_init(&hash); rounds > 0; rounds--)
		sha256_update(
			&hash, json_string_length(text), (const void *)json_string_value(text));
	sha256_digest(&hash, sizeof(digest), digest);
	stage_put_hex(hex, digest, sizeof(digest));
}

static enum stage_result orders_run(void *instance, struct stage_ctx *ctx)
{
	const struct orders *orders = instance;
	json_auto_t *order = stage_input_json(ctx), *result = NULL;
	char hex[2 * SHA256_DIGEST_SIZE];
	json_t *text, *id;
	double price, qty;

	if (order == NULL)
		return STAGE_FAILED;
	id = json_object_get(order, "id");
	text = json_object_get(order, "text");
	if (json_unpack(order, "{s:F, s:F}", "price", &price, "qty", &qty) < 0 ||
		!json_is_string(text) || id == NULL)
		return stage_fail(ctx, STAGE_PERMANENT, BAD_ORDER);
	if (qty == 0)
		return STAGE_OK;
	hash_text(text, orders->rounds, hex);
	result = json_pack(
		"{s:O, s:f, s:s%}", "id", id, "total", price * qty, "sha", hex, sizeof(hex));
	return stage_emit_json(ctx, result);
}

STAGE(.name = "orders-jansson", .version = "1.0.0", .summary = "Work on orders, with jansson",
	.threads = STAGE_PARALLEL, .instance_size = sizeof(struct orders),
	.params = orders_params, .run = orders_run);
