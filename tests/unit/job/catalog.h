/*
 * catalog: stages that exist in name only, for definitions. `source` and `sink` are what they
 * are called; `map`, `pick`, `queue` and `sha256` are maps; params is {"n": integer, default
 * 7}.
 */
#ifndef LEAT_TEST_CATALOG_H
#define LEAT_TEST_CATALOG_H

#include "job/definition.h"

extern const struct catalog test_catalog;

/* Parse, or fail the test with every mistake found. */
struct definition *must_parse(const char *text);
/* "pointer: detail" of every mistake, one a line, in the order found; free() it. */
char *mistakes_of(const char *text, const struct definition_rules *rules);
char *mistakes_text(const struct mistakes *mistakes);
/* As JSON text; free() it. */
char *definition_text(const struct definition *definition);

#endif
