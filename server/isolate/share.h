/*
 * share: the memory that the server and one host process have in common.
 *
 *	order   written by the server, mapped read-only in the host:
 *	        a batch of items and their texts
 *	report  written by the host:
 *	        what became of each item, and the texts that were emitted
 *
 * Each is a sealed memfd: a host can neither write over what it was given nor shrink a file
 * under the server's feet (SIGBUS). What stands in a report was written by code that may do
 * anything: the server reads a number once, into memory of its own, and looks at the copy
 * (share_read_outcome(), share_read_piece()); it never follows a pointer or trusts a length.
 *
 * Both are as large as the configuration lets one item become, but sparse: pages exist once
 * touched, and share_trim() gives those back that a large item has left behind.
 *
 * Thread: one on each side; the atomics are the wire between them.
 */
#ifndef LEAT_ISOLATE_SHARE_H
#define LEAT_ISOLATE_SHARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SHARE_ITEMS_MAX   512          /* in a batch */
#define SHARE_TEXT_SOFT   (512u << 10) /* a batch is full when its texts come to so much */
#define SHARE_PIECES_SOFT 8192         /* or to so many emitted items */
#define SHARE_PIECES_MAX  (1u << 20)   /* of one item, beyond that */
#define SHARE_HEAD        64           /* in front of each region of texts: its user's */
#define SHARE_WHY_MAX     304

struct share_item {
	uint64_t number, part;
	uint32_t off, len; /* in the order's texts */
	uint32_t attempt;
	uint32_t unused;
};

struct share_order {
	uint64_t round; /* the host says which one it has done */
	uint32_t count;
	uint32_t setup_len;         /* of the first texts: what the host is to be (JSON) */
	_Atomic uint32_t cancelled; /* nobody wants the items any more */
	uint64_t timeout_ns;        /* an item's; 0: none */
	char traceparent[64];
	struct share_item items[SHARE_ITEMS_MAX];
};

enum share_fate { SHARE_DONE = 1, SHARE_FAILED };

/* Why a batch ended before its last item. */
enum share_stop {
	SHARE_ALL = 0,
	SHARE_FULL,      /* no more room for results: take these, then send the rest */
	SHARE_EXHAUSTED, /* the host's memory is nearly used up: it wants to be replaced */
};

struct share_outcome {
	uint32_t fate;
	uint32_t kind;         /* of a failure: what the user of this layer calls it */
	uint32_t first, count; /* pieces */
};

struct share_piece {
	uint32_t off, len; /* in the report's texts; SHARE_INPUT: the input as it is */
};
#define SHARE_INPUT UINT32_MAX

struct share_report {
	_Atomic uint32_t ended;    /* items of the batch that have an outcome */
	_Atomic uint32_t current;  /* 1 + index of the item in hand; 0: none */
	_Atomic uint64_t began_ns; /* when it was begun (CLOCK_MONOTONIC) */
	uint32_t stop;             /* enum share_stop */
	struct share_outcome outcomes[SHARE_ITEMS_MAX];
	char why[SHARE_ITEMS_MAX][SHARE_WHY_MAX];
	struct share_piece pieces[SHARE_PIECES_SOFT + SHARE_PIECES_MAX];
};

struct share {
	int order_fd, report_fd;
	struct share_order *order;
	struct share_report *report;
	char *order_texts, *report_texts;   /* each with SHARE_HEAD bytes in front */
	uint32_t order_size, report_size;   /* of the texts */
	size_t order_bytes, report_bytes;   /* of the mappings */
	bool order_swollen, report_swollen; /* large items have left pages behind */
};

/* For items of at most `item_max` bytes that become at most `output_max`. */
int share_init(struct share *share, uint64_t item_max, uint64_t output_max, struct error *err);
/* The host's side of the same: takes both descriptors. */
int share_map(struct share *share, int order_fd, int report_fd, struct error *err);
void share_done(struct share *share);
/* The order once more, as a descriptor that can only be read; -1 with errno. */
int share_order_readonly(const struct share *share);

/* Server: give back what large items have left. Between batches. */
void share_trim(struct share *share);

/*
 * Server: copies of what the host says. False when it cannot be: `pieces_from` is where this
 * item's pieces must begin, the end of those before. `texts_from` is the end of the texts
 * before, so that all of them together are no more than the report.
 */
bool share_read_outcome(const struct share *share, unsigned index, uint32_t pieces_from,
	struct share_outcome *ret);
bool share_read_piece(const struct share *share, uint32_t index, uint32_t texts_from,
	struct share_piece *ret);
/* A failure's reason: cut, and free of what is no text. */
void share_read_why(const struct share *share, unsigned index, char ret[static SHARE_WHY_MAX]);

#endif
