/*
 * fuzz: what a fuzz target is.
 *
 * fuzz_NAME.c implements the function below; its seeds stand in tests/fuzz/NAME/, a file
 * each. In a -Dfuzz=true build libFuzzer calls it (tools/fuzz), in every other one replay.c
 * feeds it the seeds as a unit test, so that targets and seeds do not rot.
 */
#ifndef LEAT_TEST_FUZZ_H
#define LEAT_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0; what must not be ends the program. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
