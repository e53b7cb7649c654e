#include "engine/scheduler.h"

#include "base/mem.h"
#include "base/role.h"
#include "engine/activation.h"
#include "engine/sinks.h"
#include "engine/sources.h"

struct compute {
	struct scheduler *scheduler;
	struct executor *executor;
	pthread_t id;
};

struct scheduler {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct list ready, tasks;
	unsigned threads, waiting;
	bool stop;
	struct compute computes[];
};

static void wake_one(struct scheduler *scheduler)
{
	if (scheduler->waiting > 0)
		pthread_cond_signal(&scheduler->work);
}

void scheduler_add(struct scheduler *scheduler, struct pipeline *pipeline)
{
	pthread_mutex_lock(&scheduler->lock);
	if (!pipeline->ready && !scheduler->stop) {
		pipeline->ready = true;
		pipeline_ref(pipeline);
		list_append(&scheduler->ready, &pipeline->ready_link);
		wake_one(scheduler);
	}
	pthread_mutex_unlock(&scheduler->lock);
}

void scheduler_task(struct scheduler *scheduler, struct task *task)
{
	bool stopped;

	pthread_mutex_lock(&scheduler->lock);
	stopped = scheduler->stop;
	if (!stopped) {
		list_append(&scheduler->tasks, &task->link);
		wake_one(scheduler);
	}
	pthread_mutex_unlock(&scheduler->lock);
	if (stopped) /* the threads are gone: at the very end anybody may do it */
		task->run(task);
}

/* Wait for a task or a pipeline; false when it is time to end. */
static bool take(
	struct scheduler *scheduler, struct task **ret_task, struct pipeline **ret_pipeline)
{
	struct list *link;

	*ret_task = NULL;
	*ret_pipeline = NULL;
	pthread_mutex_lock(&scheduler->lock);
	while (list_empty(&scheduler->tasks) && list_empty(&scheduler->ready) &&
		!scheduler->stop) {
		scheduler->waiting++;
		pthread_cond_wait(&scheduler->work, &scheduler->lock);
		scheduler->waiting--;
	}
	if ((link = list_pop(&scheduler->tasks)) != NULL) {
		*ret_task = LIST_ENTRY(link, struct task, link);
	} else if (!scheduler->stop && (link = list_pop(&scheduler->ready)) != NULL) {
		*ret_pipeline = LIST_ENTRY(link, struct pipeline, ready_link);
		(*ret_pipeline)->ready = false;
	}
	pthread_mutex_unlock(&scheduler->lock);
	return *ret_task != NULL || *ret_pipeline != NULL;
}

/* Those that may sleep have threads of their own. */
static bool runs_here(const struct stage_run *run)
{
	return run != NULL && !stage_run_sleeps(run);
}

/* A sink's turn, one activation, or a source's turn: downstream first. */
static void work_on(struct executor *executor, struct pipeline *pipeline)
{
	bool begun;

	pipeline_lock(pipeline);
	if (runs_here(pipeline->sink) && sink_run(pipeline)) {
		pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
		return;
	}
	begun = activation_begin(executor, pipeline);
	if (!begun && runs_here(pipeline->source))
		source_run(pipeline);
	/* Before running: what is left may be for another thread. */
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
	if (!begun)
		return;
	activation_run(executor);
	pipeline_lock(pipeline);
	activation_end(executor);
	pipeline_unlock(pipeline, pipeline_wake_mask(pipeline));
}

static void *thread_main(void *arg)
{
	struct compute *compute = arg;
	struct pipeline *pipeline;
	struct task *task;

	role_enter(ROLE_COMPUTE);
	while (take(compute->scheduler, &task, &pipeline)) {
		if (task != NULL) {
			task->run(task);
		} else {
			work_on(compute->executor, pipeline);
			pipeline_unref(pipeline);
		}
	}
	executor_free(compute->executor);
	return NULL;
}

/* What it works with is there before it begins: a thread could not say that it is not. */
static int start_thread(struct scheduler *scheduler, struct error *err)
{
	struct compute *compute = &scheduler->computes[scheduler->threads];

	compute->scheduler = scheduler;
	compute->executor = executor_new();
	if (compute->executor == NULL)
		return error_no_memory(err);
	if (role_start_thread(&compute->id, thread_main, compute) == 0)
		return 0;
	executor_free(compute->executor);
	return error_set(err, ERR_NO_MEMORY,
		"cannot start the compute threads; the limit of processes may be too low");
}

int scheduler_start(unsigned threads, struct scheduler **ret, struct error *err)
{
	struct scheduler *scheduler =
		mem_zalloc(sizeof(*scheduler) + threads * sizeof(scheduler->computes[0]));

	if (scheduler == NULL)
		return error_no_memory(err);
	pthread_mutex_init(&scheduler->lock, NULL);
	pthread_cond_init(&scheduler->work, NULL);
	list_init(&scheduler->ready);
	list_init(&scheduler->tasks);
	for (; scheduler->threads < threads; scheduler->threads++) {
		if (start_thread(scheduler, err) < 0) {
			scheduler_stop(scheduler);
			scheduler_free(scheduler);
			return -1;
		}
	}
	*ret = scheduler;
	return 0;
}

void scheduler_stop(struct scheduler *scheduler)
{
	struct list *link;

	pthread_mutex_lock(&scheduler->lock);
	scheduler->stop = true;
	pthread_cond_broadcast(&scheduler->work);
	pthread_mutex_unlock(&scheduler->lock);
	for (unsigned at = 0; at < scheduler->threads; at++)
		pthread_join(scheduler->computes[at].id, NULL);
	/* Letting go of a pipeline may make a task; with `stop` set it runs here. */
	while ((link = list_pop(&scheduler->ready)) != NULL)
		pipeline_unref(LIST_ENTRY(link, struct pipeline, ready_link));
}

unsigned scheduler_threads(const struct scheduler *scheduler)
{
	return scheduler->threads;
}

void scheduler_free(struct scheduler *scheduler)
{
	pthread_cond_destroy(&scheduler->work);
	pthread_mutex_destroy(&scheduler->lock);
	mem_free(scheduler);
}
