/*
 * limit [-r ROUNDS] THREADS IN OUT: the `orders` work from file to file, without HTTP and
 * without a ledger. It is the mark that leat is measured against: what a C program that
 * keeps nothing can do on the same cores with the same libraries.
 *
 * The work: total = price × qty, sha = sha-256 (hex) of `text` ROUNDS times over, orders
 * with qty 0 are dropped, {"id","total","sha"} comes out, in the order of the input.
 *
 * Each thread takes the next 64 KiB of whole lines under one lock, works on them without
 * it, and puts them back into a ring from which whoever finds the oldest block finished
 * writes everything that is ready. So threads wait for each other only when the ring is
 * full.
 */
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

enum {
	BLOCK_BYTES = 64 * 1024,
	POOL_BYTES = 256 * 1024, /* for one line's JSON; a line that needs more is refused */
	RESULT_BYTES_MAX = 256,
	THREADS_MAX = 64,
};

struct buffer {
	char *bytes;
	size_t length, room;
};

struct block {
	struct buffer in, out;
	bool busy, finished;
};

struct run {
	int in, out;
	unsigned long rounds;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t freed;
	struct block *ring;
	unsigned slots;
	unsigned long next_read, next_write;
	struct buffer carry; /* the begun line behind the last block */
	bool ended, writing;
};

static void die(const char *what)
{
	fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t room = buffer->room ? buffer->room : BLOCK_BYTES;

	while (room < buffer->length + more)
		room *= 2;
	if (room == buffer->room)
		return;
	buffer->bytes = realloc(buffer->bytes, room);
	buffer->room = room;
	if (buffer->bytes == NULL)
		die("memory");
}

static void buffer_put(struct buffer *buffer, const char *bytes, size_t length)
{
	buffer_reserve(buffer, length);
	memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
}

/* The next whole lines into `block`; false at the end of the input. Under the lock. */
static bool read_block(struct run *run, struct block *block)
{
	struct buffer *in = &block->in;
	const char *end = NULL;

	in->length = 0;
	buffer_put(in, run->carry.bytes, run->carry.length);
	run->carry.length = 0;
	while (end == NULL && !run->ended) {
		ssize_t n;

		buffer_reserve(in, BLOCK_BYTES);
		n = read(run->in, in->bytes + in->length, BLOCK_BYTES);
		if (n < 0)
			die("read");
		run->ended = n == 0;
		in->length += (size_t)n;
		end = memrchr(in->bytes, '\n', in->length);
	}
	if (end != NULL) {
		size_t whole = (size_t)(end + 1 - in->bytes);

		buffer_put(&run->carry, end + 1, in->length - whole);
		in->length = whole;
	}
	return in->length > 0;
}

static char *put_hex(char *at, const unsigned char *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		*at++ = digits[bytes[i] >> 4];
		*at++ = digits[bytes[i] & 15];
	}
	return at;
}

static char *put_number(char *at, const yyjson_mut_val *number, const yyjson_alc *alc)
{
	size_t length;
	char *text = yyjson_mut_val_write_opts(number, 0, alc, &length, NULL);

	memcpy(at, text, length);
	alc->free(alc->ctx, text);
	return at + length;
}

#define PUT(at, literal) \
	((char *)memcpy(at, literal, sizeof(literal) - 1) + sizeof(literal) - 1)

static void put_result(struct buffer *out, yyjson_val *id, double total,
	const unsigned char *digest, const yyjson_alc *alc)
{
	yyjson_mut_val number = { 0 };
	char *at;

	buffer_reserve(out, RESULT_BYTES_MAX);
	at = PUT(out->bytes + out->length, "{\"id\":");
	yyjson_mut_set_uint(&number, yyjson_get_uint(id));
	at = put_number(at, &number, alc);
	at = PUT(at, ",\"total\":");
	yyjson_mut_set_real(&number, total);
	at = put_number(at, &number, alc);
	at = PUT(at, ",\"sha\":\"");
	at = put_hex(at, digest, SHA256_DIGEST_SIZE);
	at = PUT(at, "\"}\n");
	out->length = (size_t)(at - out->bytes);
}

/* One order; false where the line is none. */
static bool work(struct run *run, const char *line, size_t length, const yyjson_alc *alc,
	struct buffer *out)
{
	yyjson_doc *doc = yyjson_read_opts((char *)line, length, 0, alc, NULL);
	yyjson_val *order = yyjson_doc_get_root(doc);
	yyjson_val *text = yyjson_obj_get(order, "text"), *qty = yyjson_obj_get(order, "qty");
	yyjson_val *price = yyjson_obj_get(order, "price"), *id = yyjson_obj_get(order, "id");
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	bool good = yyjson_is_str(text) && yyjson_is_num(qty) && yyjson_is_num(price) &&
		    yyjson_is_uint(id);

	if (good && yyjson_get_num(qty) != 0) {
		sha256_init(&sha);
		for (unsigned long i = 0; i < run->rounds; i++)
			sha256_update(&sha, yyjson_get_len(text),
				(const uint8_t *)yyjson_get_str(text));
		sha256_digest(&sha, sizeof(digest), digest);
		put_result(out, id, yyjson_get_num(price) * yyjson_get_num(qty), digest, alc);
	}
	yyjson_doc_free(doc);
	return good;
}

static void work_block(struct run *run, struct block *block, const yyjson_alc *alc)
{
	const char *at = block->in.bytes, *end = at + block->in.length;

	block->out.length = 0;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		if (!work(run, at, (size_t)(stop - at), alc, &block->out)) {
			fprintf(stderr, "limit: not an order: %.*s\n", (int)(stop - at), at);
			exit(1);
		}
		at = stop + 1;
	}
}

static void write_all(int out, const struct buffer *buffer)
{
	for (size_t done = 0; done < buffer->length;) {
		ssize_t n = write(out, buffer->bytes + done, buffer->length - done);

		if (n < 0)
			die("write");
		done += (size_t)n;
	}
}

/* Writes what is ready, oldest first, unless another thread is at it. Under the lock. */
static void write_finished(struct run *run)
{
	struct block *block;

	if (run->writing)
		return;
	run->writing = true;
	while (block = &run->ring[run->next_write % run->slots], block->finished) {
		pthread_mutex_unlock(&run->lock);
		write_all(run->out, &block->out);
		pthread_mutex_lock(&run->lock);
		block->finished = block->busy = false;
		run->next_write++;
		pthread_cond_broadcast(&run->freed);
	}
	run->writing = false;
}

static void *worker(void *argument)
{
	struct run *run = argument;
	yyjson_alc alc;

	if (!yyjson_alc_pool_init(&alc, malloc(POOL_BYTES), POOL_BYTES))
		die("memory");
	pthread_mutex_lock(&run->lock);
	for (;;) {
		struct block *block = &run->ring[run->next_read % run->slots];

		if (block->busy) {
			pthread_cond_wait(&run->freed, &run->lock);
			continue;
		}
		if (!read_block(run, block))
			break;
		block->busy = true;
		run->next_read++;
		pthread_mutex_unlock(&run->lock);
		work_block(run, block, &alc);
		pthread_mutex_lock(&run->lock);
		block->finished = true;
		write_finished(run);
	}
	pthread_mutex_unlock(&run->lock);
	return NULL;
}

static void run_threads(struct run *run, unsigned threads)
{
	pthread_t ids[THREADS_MAX];

	run->slots = 4 * threads;
	run->ring = calloc(run->slots, sizeof(*run->ring));
	if (run->ring == NULL)
		die("memory");
	for (unsigned i = 1; i < threads; i++)
		if (pthread_create(&ids[i], NULL, worker, run) != 0)
			die("thread");
	worker(run);
	for (unsigned i = 1; i < threads; i++)
		pthread_join(ids[i], NULL);
}

int main(int argc, char **argv)
{
	struct run run = {
		.rounds = 1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.freed = PTHREAD_COND_INITIALIZER,
	};
	unsigned long threads;

	if (argc > 2 && strcmp(argv[1], "-r") == 0) {
		run.rounds = strtoul(argv[2], NULL, 10);
		argc -= 2;
		argv += 2;
	}
	threads = argc == 4 ? strtoul(argv[1], NULL, 10) : 0;
	if (threads < 1 || threads > THREADS_MAX || run.rounds < 1) {
		fprintf(stderr, "usage: limit [-r ROUNDS] THREADS IN OUT\n");
		return 2;
	}
	run.in = open(argv[2], O_RDONLY);
	if (run.in < 0)
		die(argv[2]);
	run.out = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (run.out < 0)
		die(argv[3]);
	run_threads(&run, (unsigned)threads);
	return 0;
}
