/*
 * handed: sockets that were opened by whoever started this process, as systemd does it
 * (sd_listen_fds(3)): LISTEN_FDS of them from descriptor 3 on, meant for process LISTEN_PID.
 *
 * Thread: one, before there are others.
 */
#ifndef LEAT_CLI_HANDED_H
#define LEAT_CLI_HANDED_H

#include "base/error.h"

#define HANDED_FIRST 3

/*
 * How many there are, from HANDED_FIRST on; 0 where the variables are not set or are meant
 * for another process. They are taken out of the environment: our children get none of them.
 * ERR_BAD_REQUEST: they are set and make no sense, or more than `max`.
 */
int handed_take(unsigned max, unsigned *ret_count, struct error *err);

#endif
