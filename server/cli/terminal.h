/*
 * terminal: the whole screen, borrowed and given back.
 *
 * While it is open, the alternate screen is shown, without a cursor, and keys come without
 * Enter and are not echoed; Ctrl-C and Ctrl-Z stay signals. What was on the screen before
 * comes back with terminal_close(), however the command ends: who catches signals closes it.
 *
 * Thread: one.
 */
#ifndef LEAT_CLI_TERMINAL_H
#define LEAT_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct terminal {
	struct termios before;
	bool open, keys; /* standard input is a terminal, too */
};

void terminal_open(struct terminal *terminal);
void terminal_close(struct terminal *terminal);
/* Of standard output, as it is now; 80 by 24 where nobody knows. */
void terminal_size(unsigned *ret_columns, unsigned *ret_rows);
/* Lines, each with its end, in place of what is there; those beyond `rows` are left out. */
void terminal_draw(const char *text, size_t len, unsigned rows);

#endif
