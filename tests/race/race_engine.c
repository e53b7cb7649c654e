/*
 * Several jobs at once on one loop, with more threads than cores: uploads, sources, sinks,
 * pauses, patches, cancels, readers, restarts. What they come to is checked as in
 * tests/property; what ThreadSanitizer has to say is the point.
 *
 *	race_engine [--runs N] [--seed S]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "driver.h"

#define JOBS 6u

static struct {
	uint64_t seed;
	struct driver drivers[JOBS];
	unsigned count;
} now;

static void last_words(void *arg)
{
	printf("not ok - jobs side by side: again with --seed %llu --runs 1\n",
		(unsigned long long)now.seed);
	for (unsigned at = 0; at < now.count; at++)
		driver_print(&now.drivers[at]);
}

static const struct driver_rules rules[] = {
	{ .plan = { .items_max = 100 },
		.senders = 3,
		.chaos = true,
		.keys = true,
		.retries = true },
	{ .plan = { .numbered = true, .fails = true, .items_max = 100 },
		.senders = 1,
		.chaos = true,
		.keys = true,
		.cancels = true },
	{ .plan = { .numbered = true, .source = true, .sink = true, .items_max = 300 },
		.senders = 1,
		.chaos = true,
		.keys = true,
		.retries = true },
};

static bool step_all(struct rig *rig)
{
	bool moved = false, over = true;

	for (unsigned at = 0; at < now.count; at++) {
		moved |= driver_step(&now.drivers[at]);
		driver_watch(&now.drivers[at]);
		over &= driver_is_over(&now.drivers[at]);
	}
	if (!over)
		rig_turn(rig, !moved);
	return !over;
}

static void restart(struct rig *rig)
{
	for (unsigned at = 0; at < now.count; at++)
		driver_before_close(&now.drivers[at]);
	rig_close(rig);
	for (unsigned at = 0; at < now.count; at++)
		driver_after_close(&now.drivers[at]);
	MUST(rig_open(rig) == 0);
}

static void run(uint64_t seed)
{
	struct rng rng = { seed };
	unsigned restarts = (unsigned)rng_below(&rng, 3);
	struct rig rig;

	rig_init(&rig, NULL);
	rig_configure(&rig, &rng);
	rig.config.compute = 4;
	MUST(rig_open(&rig) == 0);
	for (now.count = 0; now.count < JOBS; now.count++)
		driver_init(&now.drivers[now.count], &rig, rng_next(&rng),
			&rules[now.count % 3], now.count);
	while (step_all(&rig)) {
		if (restarts > 0 && rng_below(&rng, 200) == 0) {
			restarts--;
			restart(&rig);
		}
	}
	rig_close(&rig);
	rig_done(&rig);
	for (unsigned at = 0; at < now.count; at++)
		driver_done(&now.drivers[at]);
	now.count = 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "runs", 1, NULL, 'r' },
		{ "seed", 1, NULL, 's' }, { 0 } };
	unsigned runs = 40;
	uint64_t seed = 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_level(LOG_OFF);
	rig_last_words = last_words;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (option == 'r')
			runs = (unsigned)atoi(optarg);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	for (unsigned n = 0; n < runs; n++) {
		now.seed = seed + n;
		run(now.seed);
	}
	printf("ok - %u times %u jobs side by side\n", runs, JOBS);
	return 0;
}
