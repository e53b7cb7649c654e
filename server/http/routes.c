/* The route table: what is served where, by whom, with which parameters. */
#include "base/mem.h"
#include "http/assets.h"
#include "http/events.h"
#include "http/items.h"
#include "http/jobs.h"
#include "http/metrics.h"
#include "http/results.h"
#include "http/router.h"
#include "http/run.h"
#include "http/service.h"

#define MS_MAX 86400000 /* a day */

#define SCALING                      \
	{ "workers.", PARAM_TEXT },  \
	{                            \
		"queue.", PARAM_TEXT \
	}

static const struct param create_params[] = { SCALING, { 0 } };

static const struct param list_params[] = {
	{ "state", PARAM_CHOICE,
		.choices = "running|paused|finishing|succeeded|failed|cancelled" },
	{ "name", PARAM_TEXT },
	{ "label.", PARAM_TEXT },
	{ "limit", PARAM_UINT, .min = 1 },
	{ "after", PARAM_CURSOR },
	{ 0 },
};

static const struct param job_params[] = {
	{ "wait_ms", PARAM_UINT, .max = MS_MAX },
	{ "version", PARAM_UINT },
	{ 0 },
};

/* How the body's CSV is to be read. */
#define CSV_IN                                                                        \
	{ "columns", PARAM_TEXT },                                                    \
		{ "delimiter", PARAM_CHOICE, .choices = "comma|semicolon|tab|pipe" }, \
	{                                                                             \
		"infer", PARAM_BOOL                                                   \
	}

/* How results become CSV. */
#define CSV_OUT                     \
	{ "fields", PARAM_TEXT },   \
	{                           \
		"guard", PARAM_BOOL \
	}

static const struct param items_params[] = {
	{ "close", PARAM_BOOL },
	{ "on_full", PARAM_CHOICE, .choices = "wait|reject" },
	{ "max_wait_ms", PARAM_UINT, .max = MS_MAX },
	{ "on_invalid", PARAM_CHOICE, .choices = "stop|skip" },
	{ "offset", PARAM_UINT },
	CSV_IN,
	{ 0 },
};

static const struct param key_params[] = { { "key", PARAM_TEXT }, { 0 } };

static const struct param results_params[] = {
	{ "after", PARAM_CURSOR },
	{ "limit", PARAM_UINT, .min = 1 },
	{ "follow", PARAM_BOOL },
	{ "wait_ms", PARAM_UINT, .max = MS_MAX },
	{ "envelope", PARAM_BOOL },
	CSV_OUT,
	{ 0 },
};

static const struct param failures_params[] = {
	{ "after", PARAM_CURSOR },
	{ "limit", PARAM_UINT, .min = 1 },
	{ "follow", PARAM_BOOL },
	{ "wait_ms", PARAM_UINT, .max = MS_MAX },
	{ "envelope", PARAM_BOOL },
	{ 0 },
};

static const struct param run_params[] = {
	{ "stages", PARAM_TEXT },
	{ "name", PARAM_TEXT },
	{ "order", PARAM_CHOICE, .choices = "input|none" },
	{ "fail_fast", PARAM_BOOL },
	{ "on_invalid", PARAM_CHOICE, .choices = "stop|skip" },
	CSV_IN,
	CSV_OUT,
	SCALING,
	{ ".", PARAM_TEXT }, /* STAGE.PARAM */
	{ 0 },
};

const struct route http_routes[] = {
	{ METHOD_GET, "/v1/jobs", SCOPE_READ, &jobs_list, list_params },
	{ METHOD_POST, "/v1/jobs", SCOPE_SUBMIT, &jobs_create, create_params },
	{ METHOD_POST, "/v1/jobs:validate", SCOPE_SUBMIT | SCOPE_LOOKS, &jobs_validate,
		create_params },
	{ METHOD_GET, "/v1/jobs/{id}", SCOPE_READ, &job_get, job_params },
	{ METHOD_PATCH, "/v1/jobs/{id}", SCOPE_OPERATE, &job_change, NULL },
	{ METHOD_DELETE, "/v1/jobs/{id}", SCOPE_OPERATE, &job_remove, NULL },
	{ METHOD_POST | METHOD_PUT, "/v1/jobs/{id}/items", SCOPE_SUBMIT, &items_upload,
		items_params },
	{ METHOD_GET, "/v1/jobs/{id}/items", SCOPE_READ | SCOPE_SUBMIT, &items_key,
		key_params },
	{ METHOD_GET, "/v1/jobs/{id}/results", SCOPE_READ, &results_read, results_params },
	{ METHOD_GET, "/v1/jobs/{id}/failures", SCOPE_READ, &failures_read, failures_params },
	{ METHOD_POST, "/v1/jobs/{id}/failures/retry", SCOPE_OPERATE, &job_retry_endpoint,
		NULL },
	{ METHOD_POST, "/v1/jobs/{id}/close", SCOPE_SUBMIT, &job_close_endpoint, NULL },
	{ METHOD_POST, "/v1/jobs/{id}/pause", SCOPE_OPERATE, &job_pause_endpoint, NULL },
	{ METHOD_POST, "/v1/jobs/{id}/resume", SCOPE_OPERATE, &job_resume_endpoint, NULL },
	{ METHOD_POST, "/v1/jobs/{id}/cancel", SCOPE_OPERATE, &job_cancel_endpoint, NULL },
	{ METHOD_GET, "/v1/jobs/{id}/definition", SCOPE_READ, &job_definition_endpoint, NULL },
	{ METHOD_GET, "/v1/jobs/{id}/events", SCOPE_READ, &events_job, NULL },
	{ METHOD_GET, "/v1/events", SCOPE_READ, &events_all, NULL },
	{ METHOD_POST | METHOD_PUT, "/v1/run", SCOPE_SUBMIT, &run_once, run_params },
	{ METHOD_GET, "/v1/stages", SCOPE_READ, &stages_list, NULL },
	{ METHOD_GET, "/v1/stages/{name}", SCOPE_READ, &stages_one, NULL },
	{ METHOD_GET, "/v1/server", SCOPE_READ, &service_server, NULL },
	{ METHOD_GET, "/livez", SCOPE_NONE, &service_live, NULL },
	{ METHOD_GET, "/readyz", SCOPE_NONE, &service_ready, NULL },
	{ METHOD_GET, "/", SCOPE_NONE, &assets_get, NULL },
	{ METHOD_GET, "/docs", SCOPE_NONE, &assets_get, NULL },
	{ METHOD_GET, "/openapi.json", SCOPE_NONE, &assets_get, NULL },
	{ METHOD_GET, "/assets/{name}", SCOPE_NONE, &assets_get, NULL },
	{ METHOD_GET, "/metrics", SCOPE_READ | SCOPE_SPANS, &metrics_read, NULL },
};
const size_t http_route_count = ARRAY_SIZE(http_routes);
