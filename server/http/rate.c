#include "http/rate.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "http/exposition.h"
#include "http/internal.h"
#include "http/request.h"

struct bucket {
	struct list slot, order;
	char key[RATE_KEY_SIZE];
	double level; /* requests that may be made at once */
	uint64_t at_ns;
};

static void limit_init(struct rate_limit *limit, const char *per, uint64_t per_s)
{
	*limit = (struct rate_limit){ .per = per, .per_s = per_s };
	for (size_t at = 0; at < ARRAY_SIZE(limit->slots); at++)
		list_init(&limit->slots[at]);
	list_init(&limit->order);
	random_bytes(&limit->seed, sizeof(limit->seed));
}

void rates_init(struct rates *rates, uint64_t per_token, uint64_t per_address)
{
	limit_init(&rates->token, "token", per_token);
	limit_init(&rates->address, "address", per_address);
}

static void forget(struct rate_limit *limit, struct bucket *bucket)
{
	list_remove(&bucket->slot);
	list_remove(&bucket->order);
	limit->count--;
	mem_free(bucket);
}

static void limit_done(struct rate_limit *limit)
{
	LIST_EACH(&limit->order, link)
	forget(limit, LIST_ENTRY(link, struct bucket, order));
}

void rates_done(struct rates *rates)
{
	limit_done(&rates->token);
	limit_done(&rates->address);
}

/* ---- buckets ---- */

static struct list *slot_of(struct rate_limit *limit, const char *key)
{
	uint64_t hash = limit->seed;

	for (size_t at = 0; at < RATE_KEY_SIZE; at++) {
		hash = (hash ^ (uint8_t)key[at]) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	return &limit->slots[hash % ARRAY_SIZE(limit->slots)];
}

static double capacity(const struct rate_limit *limit)
{
	return (double)(limit->per_s * RATE_WINDOW_S);
}

static struct bucket *new_bucket(struct rate_limit *limit, struct list *slot, const char *key)
{
	struct bucket *bucket = mem_zalloc(sizeof(*bucket));

	if (bucket == NULL)
		return NULL;
	if (limit->count == RATE_BUCKETS_MAX)
		forget(limit, LIST_ENTRY(limit->order.next, struct bucket, order));
	memcpy(bucket->key, key, sizeof(bucket->key));
	bucket->level = capacity(limit);
	list_append(slot, &bucket->slot);
	list_init(&bucket->order);
	limit->count++;
	return bucket;
}

static struct bucket *find(struct rate_limit *limit, const char *key)
{
	struct list *slot = slot_of(limit, key);

	LIST_EACH(slot, link)
	{
		struct bucket *bucket = LIST_ENTRY(link, struct bucket, slot);

		if (memcmp(bucket->key, key, sizeof(bucket->key)) == 0)
			return bucket;
	}
	return new_bucket(limit, slot, key);
}

static void fill(const struct rate_limit *limit, struct bucket *bucket, uint64_t now_ns)
{
	double since_s = (double)(now_ns - bucket->at_ns) / (double)NS_PER_S;

	bucket->level = MIN(bucket->level + since_s * (double)limit->per_s, capacity(limit));
	bucket->at_ns = now_ns;
}

/* Rounded up. */
static uint64_t seconds_to_full(const struct rate_limit *limit, const struct bucket *bucket)
{
	uint64_t missing = (uint64_t)(capacity(limit) - bucket->level + 0.999);

	return (missing + limit->per_s - 1) / limit->per_s;
}

bool rate_take(struct rate_limit *limit, const char key[static RATE_KEY_SIZE], uint64_t now_ns,
	struct rate_state *ret)
{
	struct bucket *bucket = find(limit, key);
	bool allowed;

	if (bucket == NULL)
		return true; /* who has no memory has other worries */
	fill(limit, bucket, now_ns);
	list_remove(&bucket->order);
	list_append(&limit->order, &bucket->order);
	allowed = bucket->level >= 1;
	if (allowed)
		bucket->level -= 1;
	else
		limit->refused++;
	*ret = (struct rate_state){
		.per = limit->per,
		.quota = limit->per_s * RATE_WINDOW_S,
		.left = (uint64_t)bucket->level,
		.reset_s = seconds_to_full(limit, bucket),
		.retry_s = 1, /* at one a second or more, one is back by then */
	};
	return allowed;
}

/* ---- requests ---- */

/* False: nothing is known of who asks that could be counted by. */
static bool key_of(
	const struct request *request, char key[static RATE_KEY_SIZE], bool *ret_token)
{
	const struct address *address = request->peer == NULL ? NULL : request->peer->address;

	memset(key, 0, RATE_KEY_SIZE);
	*ret_token = request->principal->name[0] != '\0';
	if (*ret_token)
		memcpy(key, request->principal->name, strlen(request->principal->name));
	else if (address != NULL)
		memcpy(key, address->key.bytes, sizeof(address->key.bytes));
	return *ret_token || address != NULL;
}

int rate_count(struct request *request, struct error *err)
{
	struct rates *rates = &request->server->rates;
	struct rate_limit *limit;
	char key[RATE_KEY_SIZE];
	bool token;

	if (request->route->scopes == SCOPE_NONE || !key_of(request, key, &token))
		return 0;
	limit = token ? &rates->token : &rates->address;
	if (limit->per_s == 0 || rate_take(limit, key, clock_mono_ns(), &request->rate))
		return 0;
	return error_set(err, ERR_RATE_LIMITED,
		"more than %llu requests a second of this %s (rate-per-%s); wait %llu s and go on "
		"more slowly, or do more with each request",
		(unsigned long long)limit->per_s, limit->per, limit->per,
		(unsigned long long)request->rate.retry_s);
}

void rate_seal(struct request *request)
{
	const struct rate_state *rate = &request->rate;
	char text[96];

	if (rate->per == NULL)
		return;
	snprintf(text, sizeof(text), "\"%s\";q=%llu;w=%d", rate->per,
		(unsigned long long)rate->quota, RATE_WINDOW_S);
	request_set_header(request, "RateLimit-Policy", text);
	snprintf(text, sizeof(text), "\"%s\";r=%llu;t=%llu", rate->per,
		(unsigned long long)rate->left, (unsigned long long)rate->reset_s);
	request_set_header(request, "RateLimit", text);
}

/* ---- metrics ---- */

void rates_write(const struct rates *rates, struct exposition *to)
{
	const struct rate_limit *const limits[] = { &rates->token, &rates->address };

	exposition_family(to, "leat_http_rate_limited_total", "counter",
		"Requests refused with 429 because there were too many: of a token "
		"(rate-per-token), of an address that showed none (rate-per-address).");
	for (size_t at = 0; at < ARRAY_SIZE(limits); at++)
		exposition_count(to, LABELS({ "per", limits[at]->per }), limits[at]->refused);
	exposition_family(to, "leat_http_rate_buckets", "gauge",
		"Tokens and addresses whose requests are being counted.");
	for (size_t at = 0; at < ARRAY_SIZE(limits); at++)
		exposition_count(to, LABELS({ "per", limits[at]->per }), limits[at]->count);
	exposition_family(to, "leat_http_rate_max", "gauge",
		"Requests a second that each may make: rate-per-token, rate-per-address; 0: any.");
	for (size_t at = 0; at < ARRAY_SIZE(limits); at++)
		exposition_count(to, LABELS({ "per", limits[at]->per }), limits[at]->per_s);
}
