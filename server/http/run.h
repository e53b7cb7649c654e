/*
 * run: one shot, for the route table.
 *
 *	headers ─► job made ─► body taken in ─► input closed ─► results streamed ─► job removed
 *
 * The job is an ordinary one, so it can be watched and cancelled; it goes when the reply was
 * read or the client has left. Work begins with the first line; what is ready before the
 * body ends is kept by the ledger, because HTTP lets no reply begin before that.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_RUN_H
#define LEAT_HTTP_RUN_H

#include "http/request.h"

extern const struct endpoint run_once;

#endif
