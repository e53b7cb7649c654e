/*
 * shown: what stands on a person's screen.
 *
 * Names, errors and items were written by others. What would move the cursor, ring a bell or
 * turn the reading direction round is written out as `\x1b` or `\u{202e}`, so that no text
 * can be more than text.
 *
 * All of it appends to a buffer and returns -1 without memory. Thread: any.
 */
#ifndef LEAT_CLIENT_SHOWN_H
#define LEAT_CLIENT_SHOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Text of any origin. */
int shown_text(const char *text, struct buf *to);
/* The same, exactly `columns` wide: cut with `…`, or filled up behind it. */
int shown_cell(const char *text, unsigned columns, struct buf *to);
/* How many columns a text takes; what is no text counts one a byte. */
unsigned shown_columns(const char *text);

/* JSON that stays the same JSON: such characters become \u009b. */
int shown_json(const char *json, size_t len, struct buf *to);

/* 1234567 → "1,234,567". */
#define SHOWN_SIZE 32
void shown_count(uint64_t value, char ret[static SHOWN_SIZE]);
/* "0.4 s", "12 s", "3 min 20 s", "2 h 05 min", "4 d 3 h". */
void shown_duration(double seconds, char ret[static SHOWN_SIZE]);
/* "512 B", "1.5 MiB". */
void shown_bytes(uint64_t value, char ret[static SHOWN_SIZE]);
/* A number a second: "0.25", "13.4", "1,234". */
void shown_rate(double value, char ret[static SHOWN_SIZE]);

#endif
