#include "rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/role.h"
#include "engine/slab.h"
#include "probes.h"

void (*rig_last_words)(void *arg);
void *rig_last_words_arg;

void rig_die(const char *format, ...)
{
	va_list args;

	if (rig_last_words != NULL)
		rig_last_words(rig_last_words_arg);
	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_Exit(1);
}

const char *rig_text(const char *format, ...)
{
	static char text[2000];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return text;
}

static void on_pulse(uv_timer_t *timer)
{
}

void rig_init(struct rig *rig, struct ledger *(*wrap)(struct ledger *memory))
{
	struct error err;

	*rig = (struct rig){ .config = engine_config_default };
	role_enter(ROLE_LOOP);
	uv_loop_init(&rig->loop);
	uv_timer_init(&rig->loop, &rig->pulse);
	uv_timer_start(&rig->pulse, on_pulse, 1, 2);
	MUST(registry_new(&rig->registry, &err) == 0, "%s", err.text);
	MUST(ledger_memory_open(&rig->ledger, &err) == 0, "%s", err.text);
	if (wrap != NULL)
		rig->ledger = wrap(rig->ledger);
}

void rig_configure(struct rig *rig, struct rng *rng)
{
	struct engine_config *config = &rig->config;

	config->compute = (unsigned)RNG_PICK(rng, 1, 1, 2, 3, 4);
	config->hot_bytes = RNG_PICK(rng, 2, 300, 5000, 100000, 2097152);
	config->flush_ms = RNG_PICK(rng, 1, 2, 5, 20);
	config->blocking_max = (unsigned)RNG_PICK(rng, 2, 16, 256);
	config->cache_max = (unsigned)RNG_PICK(rng, 0, 1, 100);
}

int rig_open(struct rig *rig)
{
	struct error err;

	return engine_open(
		&rig->config, &rig->loop, rig->ledger, rig->registry, &rig->engine, &err);
}

void rig_close(struct rig *rig)
{
	engine_close(rig->engine);
	rig->engine = NULL;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	if (!uv_is_closing(handle) && handle->type == UV_TIMER && handle->data == arg)
		uv_close(handle, NULL);
}

void rig_done(struct rig *rig)
{
	uv_timer_stop(&rig->pulse);
	rig->pulse.data = rig;
	uv_walk(&rig->loop, close_handle, rig);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	MUST(uv_loop_close(&rig->loop) == 0, "the loop still has handles");
	ledger_close(rig->ledger);
	registry_free(rig->registry);
	MUST(slab_bytes() == 0, "%llu bytes of slabs are left",
		(unsigned long long)slab_bytes());
	MUST(atomic_load(&probe_instances) == 0, "%ld instances are left",
		atomic_load(&probe_instances));
	MUST(atomic_load(&probe_workers) == 0, "%ld workers are left",
		atomic_load(&probe_workers));
	MUST(atomic_load(&probe_trespasses) == 0, "%ld promises to stages were broken",
		atomic_load(&probe_trespasses));
}

void rig_turn(struct rig *rig, bool wait)
{
	uv_run(&rig->loop, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}
