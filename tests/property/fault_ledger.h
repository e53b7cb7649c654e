/*
 * fault_ledger: a ledger that stands in front of another and fails for a while.
 *
 * Counted are the calls that write: begin, commit and what comes between. While
 * `fault_ledger_arm()` says so, one in so many fails; then all goes well again.
 */
#ifndef LEAT_TEST_FAULT_LEDGER_H
#define LEAT_TEST_FAULT_LEDGER_H

#include "ledger/ledger.h"

struct ledger *fault_ledger_wrap(struct ledger *inner);
/* The next `count` transactions fail, each at its call number `at` (0: the commit). */
void fault_ledger_arm(struct ledger *ledger, unsigned count, unsigned at, enum error_code code);
/* How many transactions have failed so. */
unsigned fault_ledger_failed(struct ledger *ledger);

#endif
