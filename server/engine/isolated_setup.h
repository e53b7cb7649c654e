/*
 * isolated_setup: what a host process is to be, from the server to the host, as JSON.
 *
 * It lies in front of the first batch in the shared memory, so that a job's parameters stand
 * neither in the list of processes nor in the environment.
 */
#ifndef LEAT_ENGINE_ISOLATED_SETUP_H
#define LEAT_ENGINE_ISOLATED_SETUP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct isolated_setup {
	pid_t parent;
	char *use, *file; /* the registered stage; its module, NULL: built in */
	char *job, *name; /* the job's id, the stage's name in it */
	json_t *params;   /* checked */
	uint64_t output_max, memory_bytes;
	const char *timeout_name; /* which of the two bounds is in force */
	bool first;               /* no other process of this stage has said what is missing */
};

/* The text; NULL without memory. */
char *isolated_setup_write(const struct isolated_setup *setup);
/* What is read stays for the life of the process. */
int isolated_setup_read(
	struct isolated_setup *ret, const char *text, size_t len, struct error *err);

#endif
