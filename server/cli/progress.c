#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/shown.h"

#define DRAW_MS       200
#define COLUMNS_USUAL 80
#define BAR_WIDTH     20

static void bar(double share, char ret[static BAR_WIDTH + 16])
{
	unsigned full = (unsigned)(share * BAR_WIDTH);
	char marks[BAR_WIDTH + 1];

	for (unsigned i = 0; i < BAR_WIDTH; i++)
		marks[i] = i < full ? '#' : '.';
	marks[BAR_WIDTH] = '\0';
	snprintf(ret, BAR_WIDTH + 16, "[%s] %3u %%  ", marks, (unsigned)(share * 100));
}

void progress_text(const struct progress_counts *counts, double rate, unsigned columns,
	char *ret, size_t size)
{
	char done[SHOWN_SIZE], total[SHOWN_SIZE], speed[SHOWN_SIZE], failed[SHOWN_SIZE];
	char head[BAR_WIDTH + 16] = "";

	shown_count(counts->done, done);
	shown_count(counts->total, total);
	shown_count((uint64_t)rate, speed);
	shown_count(counts->failed, failed);
	if (counts->share >= 0)
		bar(MIN(counts->share, 1.0), head);
	snprintf(ret, MIN(size, (size_t)columns), "%s%s%s%s items  %s/s%s%s%s", head, done,
		counts->total > 0 ? " of " : "", counts->total > 0 ? total : "", speed,
		counts->failed > 0 ? "  " : "", counts->failed > 0 ? failed : "",
		counts->failed > 0 ? " failed" : "");
}

static unsigned columns(void)
{
	struct winsize window;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_col == 0)
		return COLUMNS_USUAL;
	return window.ws_col;
}

/* A rate that is calm enough to be read: old and new weigh the same. */
static void measure(struct progress *progress, const struct progress_counts *counts)
{
	uint64_t now = clock_mono_ns();
	double seconds = (double)(now - progress->looked_ns) / NS_PER_S, rate;

	if (seconds <= 0)
		return;
	rate = (double)(counts->done - progress->looked_done) / seconds;
	progress->rate = progress->drawn ? (progress->rate + rate) / 2 : rate;
	progress->looked_ns = now;
	progress->looked_done = counts->done;
}

static void draw(uv_timer_t *timer)
{
	struct progress *progress = timer->data;
	struct progress_counts counts = { .share = -1 };
	char text[256];

	progress->look(progress->arg, &counts);
	measure(progress, &counts);
	progress_text(&counts, progress->rate, columns(), text, sizeof(text));
	fprintf(stderr, "\r\033[K%s", text);
	progress->drawn = true;
}

void progress_start(struct progress *progress, uv_loop_t *loop,
	void (*look)(void *arg, struct progress_counts *ret), void *arg)
{
	*progress = (struct progress){ .arg = arg,
		.look = look,
		.started_ns = clock_mono_ns(),
		.shown = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO) };
	progress->looked_ns = progress->started_ns;
	uv_timer_init(loop, &progress->timer);
	progress->timer.data = progress;
	if (progress->shown)
		uv_timer_start(&progress->timer, draw, DRAW_MS, DRAW_MS);
}

void progress_clear(struct progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
}

void progress_end(struct progress *progress)
{
	struct progress_counts counts = { .share = -1 };
	char text[256];
	double seconds;

	uv_close((uv_handle_t *)&progress->timer, NULL);
	if (!progress->shown)
		return;
	progress->look(progress->arg, &counts);
	counts.share = -1;
	seconds = (double)(clock_mono_ns() - progress->started_ns) / NS_PER_S;
	progress_text(&counts, (double)counts.done / MAX(seconds, 1e-9), columns(), text,
		sizeof(text));
	progress_clear(progress);
	fprintf(stderr, "%s  in %.1f s\n", text, seconds);
}
