/*
 * results: lines of a job to standard output, for `leat results` and `leat submit --results`.
 *
 * Thread: one; who uses it beside others writes nothing to standard output meanwhile.
 */
#ifndef LEAT_CLI_RESULTS_H
#define LEAT_CLI_RESULTS_H

#include "cli/client.h"
#include "client/follow.h"

/* The `arg` of the three callbacks below, which are those of struct follow_config. */
struct results_output {
	const struct client *client;
	bool envelope;
};
bool results_put(void *arg, const struct follow_line *line);
bool results_pause(void *arg);
void results_trouble(void *arg, const char *why);

/* What this end means for the exit code, said on stderr. */
int results_code(struct client *client, struct follow *follow, enum follow_result result);

#endif
