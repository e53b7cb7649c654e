#include "engine/admission.h"

#include <string.h>

#include "engine/internal.h"

static uint64_t workers_of(const struct definition *definition)
{
	uint64_t workers = 0;

	for (unsigned at = 0; at < definition->stage_count; at++)
		workers += definition->stages[at].workers;
	return workers;
}

void admission_count(struct job *job, bool live)
{
	job->engine->workers -= job->workers;
	job->workers = live ? workers_of(job->def) : 0;
	job->engine->workers += job->workers;
}

uint64_t admission_workers(const struct engine *engine)
{
	uint64_t workers = engine->workers;

	LIST_EACH(&engine->admitted, link)
	workers += LIST_ENTRY(link, struct admission, link)->workers;
	return workers;
}

static unsigned jobs_of(const struct engine *engine, const char *owner)
{
	unsigned count = 0;

	LIST_EACH(&engine->live, link)
	count += strcmp(LIST_ENTRY(link, struct job, link)->record.owner, owner) == 0;
	LIST_EACH(&engine->admitted, link)
	count += strcmp(LIST_ENTRY(link, struct admission, link)->owner, owner) == 0;
	return count;
}

static int check_jobs(const struct engine *engine, const char *owner, struct error *err)
{
	const struct engine_config *config = &engine->config;
	size_t jobs = engine->live_count + list_length(&engine->admitted);

	if (jobs >= config->jobs_max)
		return error_set(err, ERR_BUSY,
			"%zu jobs are open, which is all there may be (jobs-max); wait until "
			"one is done, cancel one, or raise it",
			jobs);
	if (config->jobs_per_token == 0 || owner[0] == '\0' ||
		jobs_of(engine, owner) < config->jobs_per_token)
		return 0;
	return error_set(err, ERR_TOO_MANY_JOBS,
		"'%s' has %u jobs that are not done, as many as one token may "
		"(jobs-per-token); wait until one is done, or cancel one",
		owner, config->jobs_per_token);
}

static int check_workers(const struct engine *engine, uint64_t more, struct error *err)
{
	uint64_t now = admission_workers(engine), max = engine->config.workers_max;

	if (now + more <= max)
		return 0;
	return error_set(err, ERR_BUSY,
		"%llu workers are asked for and open jobs have %llu, of %llu that there may be "
		"(workers-max); ask for fewer, or wait until a job is done",
		(unsigned long long)more, (unsigned long long)now, (unsigned long long)max);
}

int admission_take(struct engine *engine, const struct definition *definition,
	const char *owner, struct admission *ret, struct error *err)
{
	uint64_t workers = workers_of(definition);

	if (check_jobs(engine, owner, err) < 0 || check_workers(engine, workers, err) < 0)
		return -1;
	ret->owner = owner;
	ret->workers = workers;
	list_append(&engine->admitted, &ret->link);
	return 0;
}

void admission_drop(struct admission *admission)
{
	list_remove(&admission->link);
}

/* What is no number is refused by whoever reads all of it. */
static uint64_t more_workers(const struct definition *definition, const json_t *patch)
{
	const json_t *stages = json_object_get(patch, "stages");
	uint64_t more = 0;

	for (unsigned at = 0; at < definition->stage_count; at++) {
		const struct stage_def *stage = &definition->stages[at];
		json_int_t wanted = json_integer_value(
			json_object_get(json_object_get(stages, stage->name), "workers"));

		if (wanted > (json_int_t)stage->workers && wanted <= DEFINITION_WORKERS_MAX)
			more += (uint64_t)wanted - stage->workers;
	}
	return more;
}

int admission_patch(const struct job *job, const json_t *patch, struct error *err)
{
	uint64_t more = more_workers(job->def, patch);

	return more == 0 ? 0 : check_workers(job->engine, more, err);
}
