/*
 * property: random jobs against an engine in this process, compared with a model.
 *
 *	property [--runs N] [--seed S] [--only FAMILY] [--verbose]
 *
 * Every run must end, its counts must add up whenever somebody looks, and what comes out must
 * be what the model says: each result once, in order where that was asked for, each failure
 * with its stage, attempts and input. TAP goes out; a failed run prints its seed, and
 * `--only FAMILY --seed SEED --runs 1` repeats it (as far as threads let it).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "driver.h"
#include "fault_ledger.h"

struct family {
	const char *name, *claim;
	unsigned share; /* of a hundred runs */
	void (*run)(uint64_t seed);
};

static struct {
	const struct family *family;
	uint64_t seed;
	const struct driver *driver;
	const char *note;
	long nth;
} now;

static void last_words(void *arg)
{
	printf("not ok %s: again with --only %s --seed %llu --runs 1\n", now.family->claim,
		now.family->name, (unsigned long long)now.seed);
	if (now.nth > 0)
		printf("# allocation %ld failed\n", now.nth);
	if (now.driver != NULL)
		driver_print(now.driver);
}

/* ---- one job from beginning to end ---- */

static void drive(struct rig *rig, struct driver *driver)
{
	while (!driver_is_over(driver)) {
		rig_turn(rig, !driver_step(driver));
		driver_watch(driver);
	}
}

static void run_plain(uint64_t seed, const struct driver_rules *rules)
{
	struct rng rng = { seed };
	struct driver driver;
	struct rig rig;

	rig_init(&rig, NULL);
	rig_configure(&rig, &rng);
	MUST(rig_open(&rig) == 0);
	driver_init(&driver, &rig, rng_next(&rng), rules, 0);
	now.driver = &driver;
	drive(&rig, &driver);
	now.driver = NULL;
	rig_close(&rig);
	rig_done(&rig);
	driver_done(&driver);
}

static void run_flow(uint64_t seed)
{
	run_plain(seed, &(struct driver_rules){ .plan = { .numbered = true, .items_max = 300 },
				.senders = 1,
				.retries = true });
}

static void run_control(uint64_t seed)
{
	run_plain(seed, &(struct driver_rules){ .plan = { .items_max = 300 },
				.senders = 3,
				.chaos = true,
				.keys = true,
				.retries = true });
}

static void run_ends(uint64_t seed)
{
	run_plain(seed, &(struct driver_rules){
				.plan = { .numbered = true, .fails = true, .items_max = 300 },
				.senders = 1,
				.chaos = true,
				.cancels = true });
}

static void run_machines(uint64_t seed)
{
	run_plain(seed, &(struct driver_rules){ .plan = { .numbered = true,
							.source = true,
							.sink = true,
							.items_max = 1500 },
				.senders = 1,
				.chaos = true,
				.retries = true });
}

static void run_timeouts(uint64_t seed)
{
	run_plain(seed, &(struct driver_rules){
				.plan = { .numbered = true, .hangs = true, .items_max = 30 },
				.senders = 1,
				.retries = true });
}

/* ---- the engine is closed in the middle ---- */

static void on_drained(void *arg)
{
	*(bool *)arg = true;
}

/* As on SIGTERM: what is in hand may end, for a moment. */
static void drain(struct rig *rig, struct driver *driver, uint64_t ms)
{
	bool drained = false;

	driver->restarted = driver->lost = true;
	engine_drain(rig->engine, ms, on_drained, &drained);
	for (uint64_t turn = 0; !drained; turn++) {
		MUST(turn < 100000);
		driver_step(driver);
		rig_turn(rig, true);
	}
}

static void restart(struct rig *rig, struct driver *driver)
{
	if (rng_percent(&driver->rng, 30))
		drain(rig, driver, RNG_PICK(&driver->rng, 0, 5, 50));
	driver_before_close(driver);
	rig_close(rig);
	driver_after_close(driver);
	MUST(rig_open(rig) == 0);
}

static void run_restart(uint64_t seed)
{
	const struct driver_rules rules = {
		.plan = { .numbered = true, .source = true, .sink = true, .items_max = 300 },
		.senders = 1,
		.chaos = true,
		.keys = true,
		.retries = true
	};
	struct rng rng = { seed };
	unsigned left = (unsigned)rng_below(&rng, 4) + 1;
	unsigned turns = (unsigned)RNG_PICK(&rng, 2, 10, 50);
	struct driver driver;
	struct rig rig;

	rig_init(&rig, NULL);
	rig_configure(&rig, &rng);
	MUST(rig_open(&rig) == 0);
	driver_init(&driver, &rig, rng_next(&rng), &rules, 0);
	now.driver = &driver;
	while (!driver_is_over(&driver)) {
		rig_turn(&rig, !driver_step(&driver));
		driver_watch(&driver);
		if (left > 0 && rng_below(&rng, turns) == 0 && !driver_is_over(&driver)) {
			left--;
			restart(&rig, &driver);
		}
	}
	now.driver = NULL;
	rig_close(&rig);
	rig_done(&rig);
	driver_done(&driver);
}

/* ---- the store fails for a while ---- */

static void run_store(uint64_t seed)
{
	const struct driver_rules rules = {
		.plan = { .source = true, .sink = true, .items_max = 300 },
		.senders = 2,
		.chaos = true,
		.keys = true,
		.retries = true,
		.faults = true
	};
	struct rng rng = { seed };
	unsigned left = (unsigned)rng_below(&rng, 2) + 1;
	struct driver driver;
	struct rig rig;

	rig_init(&rig, fault_ledger_wrap);
	rig_configure(&rig, &rng);
	MUST(rig_open(&rig) == 0);
	driver_init(&driver, &rig, rng_next(&rng), &rules, 0);
	now.driver = &driver;
	while (!driver_is_over(&driver)) {
		if (left > 0 && rng_below(&rng, 6) == 0) {
			left--;
			fault_ledger_arm(rig.ledger, (unsigned)rng_below(&rng, 3) + 1,
				(unsigned)RNG_PICK(&rng, 0, 0, 1, 2, 3),
				rng_percent(&rng, 50) ? ERR_DISK_FULL : ERR_STORE);
		}
		rig_turn(&rig, !driver_step(&driver));
		driver_watch(&driver);
	}
	fault_ledger_arm(rig.ledger, 0, 0, ERR_STORE);
	now.driver = NULL;
	rig_close(&rig);
	rig_done(&rig);
	driver_done(&driver);
}

/* ---- the n-th allocation fails ---- */

#ifdef LEAT_FAULTS
/* Returns how many allocations there were; `nth` 0 fails none. */
static long run_without(uint64_t seed, long nth)
{
	const struct driver_rules rules = {
		.plan = { .source = true, .sink = true, .sturdy = true, .items_max = 30 },
		.senders = 1,
		.keys = true,
		.retries = true,
		.faults = true
	};
	struct rng rng = { seed };
	struct driver driver;
	struct rig rig;
	long count;

	now.nth = nth;
	rig_init(&rig, NULL);
	rig_configure(&rig, &rng);
	MUST(rig_open(&rig) == 0);
	driver_init(&driver, &rig, rng_next(&rng), &rules, 0);
	now.driver = &driver;
	fault_arm(FAULT_ALLOC, nth, false);
	drive(&rig, &driver);
	count = fault_count(FAULT_ALLOC);
	now.driver = NULL;
	rig_close(&rig);
	fault_arm(FAULT_ALLOC, 0, false);
	rig_done(&rig);
	driver_done(&driver);
	now.nth = 0;
	return count;
}

static void run_memory(uint64_t seed)
{
	struct rng rng = { seed };
	long count = run_without(seed, 0);

	for (unsigned n = 0; n < 10; n++)
		run_without(seed, (long)rng_below(&rng, (uint64_t)count) + 1);
}
#endif

/* ---- main ---- */

static const struct family families[] = {
	{ "flow", "a random pipeline gives what the model says, and its counts too", 35,
		run_flow },
	{ "control", "pause, resume, PATCH and broken uploads change nothing in the results",
		22, run_control },
	{ "ends", "a job that is cancelled or fails leaves whole items and true counts", 12,
		run_ends },
	{ "machines", "sources and sinks are exact", 12, run_machines },
	{ "restart", "an engine closed in the middle loses and doubles nothing", 14,
		run_restart },
	{ "timeouts", "who takes too long fails alone", 2, run_timeouts },
	{ "store", "while the store fails uploads are refused, what was accepted comes out", 1,
		run_store },
#ifdef LEAT_FAULTS
	{ "memory", "an allocation that fails is survived", 1, run_memory },
#endif
};

static void run_family(
	const struct family *family, uint64_t seed, unsigned runs, unsigned number)
{
	uint64_t began_ns = clock_mono_ns();

	now.family = family;
	for (unsigned n = 0; n < runs; n++) {
		now.seed = seed + n;
		family->run(now.seed);
	}
	printf("ok %u - %s (%u runs, %.1f s)\n", number, family->claim, runs,
		(double)(clock_mono_ns() - began_ns) / 1e9);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "runs", 1, NULL, 'r' },
		{ "seed", 1, NULL, 's' }, { "only", 1, NULL, 'o' }, { "verbose", 0, NULL, 'v' },
		{ 0 } };
	unsigned runs = 2000, number = 0;
	uint64_t seed = 1;
	const char *only = NULL;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_level(LOG_OFF);
	fault_init();
	rig_last_words = last_words;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'r')
			runs = (unsigned)atoi(optarg);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (option == 'o')
			only = optarg;
		else if (option == 'v')
			log_set_level(LOG_DEBUG);
		else
			return 2;
	}
	for (size_t at = 0; at < sizeof(families) / sizeof(families[0]); at++) {
		const struct family *family = &families[at];
		unsigned share = only == NULL ? (runs * family->share + 99) / 100 : runs;

		if (only == NULL || strcmp(only, family->name) == 0)
			run_family(family, seed, share, ++number);
	}
	printf("1..%u\n", number);
	return 0;
}
