/*
 * wire: what the jq stage and its helper process say to each other, over one stream socket.
 *
 *	stage → helper   PROGRAM, ARGS, then an ITEM for each item
 *	helper → stage   COMPILED or REFUSED, then for each item VALUE… and DONE or ERROR
 *
 * Each is a head and `len` bytes. The helper answers in order, and only whole items. It ends
 * by itself when the socket does, or when nothing has come for a while (status JQ_IDLE).
 */
#ifndef LEAT_JQ_WIRE_H
#define LEAT_JQ_WIRE_H

#include <stdint.h>

enum jq_kind {
	JQ_PROGRAM = 1,
	JQ_ARGS,
	JQ_ITEM,
	JQ_COMPILED,
	JQ_REFUSED, /* the program, and why */
	JQ_VALUE,
	JQ_DONE,
	JQ_ERROR,
};

struct jq_head {
	uint32_t len, kind;
};

/* Exit statuses of the helper; SIGPROF is the limit of time. */
#define JQ_IDLE   0
#define JQ_NOMEM  3
#define JQ_BROKEN 4 /* it cannot confine itself, or hears nonsense */

#define JQ_OWN_BYTES   (8u << 20) /* what compiling takes */
#define JQ_IDLE_MS     10000
#define JQ_COMPILE_MS  500
#define JQ_OUTPUT_MAX  (16u << 20) /* that come out of an item */
#define JQ_MESSAGE_MAX 240

#endif
