#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"

/* The alternate screen, no cursor; and back. */
static const char enter[] = "\033[?1049h\033[?25l\033[2J";
static const char leave[] = "\033[?25h\033[?1049l";

static void put(const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t put = write(STDOUT_FILENO, bytes, len);

		if (put < 0 && errno == EAGAIN)
			poll(&(struct pollfd){ .fd = STDOUT_FILENO, .events = POLLOUT }, 1, -1);
		else if (put < 0 && errno != EINTR)
			return; /* the terminal is gone: SIGHUP, or the next read, tells */
		if (put < 0)
			continue;
		bytes += put;
		len -= (size_t)put;
	}
}

void terminal_open(struct terminal *terminal)
{
	struct termios now;

	terminal->open = true;
	terminal->keys =
		isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &terminal->before) == 0;
	if (terminal->keys) {
		now = terminal->before;
		now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		now.c_cc[VMIN] = 1;
		now.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
	}
	put(enter, strlen(enter));
}

void terminal_close(struct terminal *terminal)
{
	if (!terminal->open)
		return;
	terminal->open = false;
	put(leave, strlen(leave));
	if (terminal->keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->before);
}

void terminal_size(unsigned *ret_columns, unsigned *ret_rows)
{
	struct winsize window;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0;

	*ret_columns = known && window.ws_col > 0 ? window.ws_col : 80;
	*ret_rows = known && window.ws_row > 0 ? window.ws_row : 24;
}

/* One write for all of it, each line clearing what stood behind it: nothing flickers. */
void terminal_draw(const char *text, size_t len, unsigned rows)
{
	const char *end = text + len;
	struct buf frame = BUF_INIT;
	int failed = buf_append_str(&frame, "\033[H");

	for (unsigned row = 0; row < rows && text < end; row++) {
		const char *next = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((next != NULL ? next : end) - text);

		if (row > 0)
			failed |= buf_append_str(&frame, "\r\n");
		failed |= buf_append(&frame, text, size) | buf_append_str(&frame, "\033[K");
		text += size + 1;
	}
	failed |= buf_append_str(&frame, "\033[J");
	if (failed == 0)
		put(frame.data, frame.len);
	buf_done(&frame);
}
