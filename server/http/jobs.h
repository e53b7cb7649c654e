/*
 * jobs: the job resource. Endpoints for the route table, and what others say about jobs.
 *
 * Thread: loop.
 */
#ifndef LEAT_HTTP_JOBS_H
#define LEAT_HTTP_JOBS_H

#include "http/request.h"

extern const struct endpoint jobs_create, jobs_validate, jobs_list;
extern const struct endpoint job_get, job_change, job_remove;
extern const struct endpoint job_close_endpoint, job_pause_endpoint, job_resume_endpoint,
	job_cancel_endpoint, job_retry_endpoint, job_definition_endpoint;

/* A weak ETag of the job's version. */
#define ETAG_SIZE 32
void job_etag(const struct job *job, char ret_text[static ETAG_SIZE]);

/*
 * Parse `root` (taken), apply `workers.NAME` and `queue.NAME` of the query. NULL: answered.
 */
struct definition *definition_of(struct request *request, json_t *root);

/* engine_create() has failed at once. */
void reply_not_created(struct request *request, const struct error *err);

/*
 * In a job_reply whose request was sent away: is there a job to go on with? Otherwise the
 * request has ended, or the problem was answered.
 */
bool reply_is_good(struct request *request, const struct job *job, const struct error *err);

/* A job_reply that answers with the job, whose `arg` is the request that was sent away. */
void reply_with_job(void *arg, struct job *job, const struct error *err);

#endif
