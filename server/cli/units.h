/*
 * units: numbers with units, as people write and read them.
 *
 * Bytes: `65536`, `64k`, `64KiB`, `1.5G`: k, M, G, T are powers of 1,024, in either case.
 * Time: `250` is milliseconds; `250ms`, `10s`, `5m`, `2h`, `7d`.
 *
 * Thread: any.
 */
#ifndef LEAT_CLI_UNITS_H
#define LEAT_CLI_UNITS_H

#include <stdint.h>

#include "base/error.h"

enum unit { UNIT_COUNT, UNIT_BYTES, UNIT_MS };

/* ERR_BAD_REQUEST with a text that follows the name of what was set: "'12x' is not …". */
int unit_parse(enum unit unit, const char *text, uint64_t *ret, struct error *err);

/* The shortest exact way to write it: "64 MiB", "10 s", "1024". */
#define UNIT_TEXT_SIZE 32
void unit_format(enum unit unit, uint64_t value, char ret_text[static UNIT_TEXT_SIZE]);

#endif
