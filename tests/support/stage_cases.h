/*
 * stage_cases: runs a stage's cases.ndjson.
 *
 * A case a line, as cli/case_file.h has it.
 * Items are compared byte for byte, as they stand in the file. A sink is closed and opened
 * from its checkpoint between any two items, a source between any two runs, so every case is
 * a test of their state too.
 */
#ifndef LEAT_TEST_STAGE_CASES_H
#define LEAT_TEST_STAGE_CASES_H

#include <stdio.h>

#include "stages/stage.h"

/* Returns how many cases went wrong, each told to `out`; -1 when the file cannot be read. */
int stage_cases_run(const struct stage *stage, const char *file, FILE *out, int *ret_count);

#endif
