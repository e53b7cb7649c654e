#include "window.h"

#define WORK_NS      10000000ull /* of work in its hands */
#define PATIENCE_MAX 63u

void window_init(struct window *window, unsigned max, bool ordered)
{
	*window = (struct window){ .items = 1, .wide = 1, .max = max, .ordered = ordered };
}

void window_begin(struct window *window, uint64_t now_ns)
{
	window->seen_ns = now_ns;
}

void window_answer(struct window *window, unsigned load, uint64_t since_ns, uint64_t now_ns)
{
	window->answers++;
	window->took_ns += now_ns - since_ns;
	if (load > window->top)
		window->top = load;
}

/* It took much longer: it has more than it can do at a time. */
static void narrow(struct window *window)
{
	if (window->wide == 1)
		return;
	window->wide /= 2;
	window->passed_over = 0;
	window->patience = window->patience * 2 + 1;
	if (window->patience > PATIENCE_MAX)
		window->patience = PATIENCE_MAX;
}

/* A round is as many answers as the window has items. */
static void end_round(struct window *window)
{
	uint64_t ns = window->took_ns / window->answers + 1;

	if (window->best_ns == 0 || ns < window->best_ns)
		window->best_ns = ns;
	else
		window->best_ns += window->best_ns / 64;
	if (ns > window->best_ns + window->best_ns / 2)
		narrow(window);
	else if (window->top >= window->items && window->passed_over++ >= window->patience) {
		window->wide = window->items * 2;
		window->passed_over = 0;
	}
	window->answers = window->top = 0;
	window->took_ns = 0;
}

void window_learn(struct window *window, unsigned answers, uint64_t now_ns)
{
	uint64_t each, items;

	if (answers == 0)
		return;
	each = (now_ns - window->seen_ns) / answers + 1;
	window->seen_ns = now_ns;
	window->ns_per_item =
		window->ns_per_item == 0 ? each : (window->ns_per_item * 3 + each) / 4;
	items = WORK_NS / window->ns_per_item;
	if (!window->ordered && window->answers >= window->items)
		end_round(window);
	if (window->wide > window->max)
		window->wide = window->max;
	if (items < window->wide)
		items = window->wide;
	window->items = items > window->max ? window->max : (unsigned)items;
}
