/*
 * results: what came out of a job, and what failed, for the route table.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_RESULTS_H
#define LEAT_HTTP_RESULTS_H

#include "http/request.h"
#include "http/sheet.h"

extern const struct endpoint results_read, failures_read;

/*
 * How results are wanted as CSV, `csv`: into `ret`, which is all zero, what Accept and the
 * query say of it. Else the query must not say anything of it. ERR_BAD_QUERY with mistakes.
 */
int results_sheet(struct request *request, bool csv, struct sheet *ret,
	struct mistakes *mistakes, struct error *err);
/* The trailer that says how many members had no column. */
#define LEFT_OUT "Leat-Left-Out"
void results_say_left_out(struct request *request, const struct sheet *sheet);

#endif
