/*
 * error: what went wrong, as a value.
 *
 * One table makes every error's code, HTTP status, problem slug (RFC 9457) and title. A
 * function that can fail takes `struct error *err` last, fills it with error_set() and
 * returns what that returns: a negative number. The struct lives on the caller's stack and
 * owns nothing. On failure no output has been touched.
 *
 * A function either returns an error or logs it, never both.
 */
#ifndef LEAT_BASE_ERROR_H
#define LEAT_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
/*          code                 status  slug                     title */
#define ERROR_TABLE(X)                                                                             \
	X(ERR_BAD_REQUEST,       400, "bad-request",            "The request is malformed")         \
	X(ERR_BAD_JSON,          400, "bad-json",               "The body is not JSON")             \
	X(ERR_BAD_CURSOR,        400, "bad-cursor",             "The cursor is not one of ours")    \
	X(ERR_BODY_CORRUPT,      400, "body-corrupt",           "The body cannot be decoded")       \
	X(ERR_UNAUTHORIZED,      401, "unauthorized",           "A token is wanted")                \
	X(ERR_FORBIDDEN,         403, "forbidden",              "The token does not allow it")      \
	X(ERR_HOST,              403, "host-not-allowed",       "Not a name of this server")        \
	X(ERR_CROSS_ORIGIN,      403, "cross-origin",           "Not for pages of other origins")   \
	X(ERR_NOT_FOUND,         404, "not-found",              "No such resource")                 \
	X(ERR_JOB_NOT_FOUND,     404, "job-not-found",          "No such job")                      \
	X(ERR_STAGE_NOT_FOUND,   404, "stage-not-found",        "No such stage")                    \
	X(ERR_METHOD,            405, "method-not-allowed",     "The method is not allowed here")   \
	X(ERR_NOT_ACCEPTABLE,    406, "not-acceptable",         "No acceptable representation")     \
	X(ERR_TOO_SLOW,          408, "too-slow",               "Too slow")                         \
	X(ERR_INPUT_CLOSED,      409, "input-closed",           "The job's input is closed")        \
	X(ERR_STATE_CONFLICT,    409, "state-conflict",         "The job's state does not allow it") \
	X(ERR_OFFSET_GAP,        409, "offset-gap",             "Lines before the offset are missing") \
	X(ERR_SUPERSEDED,        409, "superseded",             "A newer upload has taken over")    \
	X(ERR_RESULTS_EXPIRED,   410, "results-expired",        "Retention has removed the results") \
	X(ERR_ITEM_TOO_LARGE,    413, "item-too-large",         "An item is too large")             \
	X(ERR_BODY_TOO_LARGE,    413, "body-too-large",         "The body is too large")            \
	X(ERR_MEDIA_TYPE,        415, "unsupported-media-type", "The content type is not understood") \
	X(ERR_ENCODING,          415, "unsupported-encoding",   "The content encoding is not understood") \
	X(ERR_BAD_QUERY,         422, "bad-query",              "A query parameter is wrong")       \
	X(ERR_DEFINITION,        422, "definition-invalid",     "The job definition is invalid")    \
	X(ERR_ITEM_INVALID,      422, "item-invalid",           "An item is not valid JSON")        \
	X(ERR_ITEM_FAILED,       422, "item-failed",            "An item failed")                   \
	X(ERR_QUEUE_FULL,        429, "queue-full",             "The queue is full")                \
	X(ERR_RATE_LIMITED,      429, "rate-limited",           "Too many requests")                \
	X(ERR_TOO_MANY_JOBS,     429, "too-many-jobs",          "Too many jobs")                    \
	X(ERR_HEADERS_TOO_LARGE, 431, "headers-too-large",      "The headers are too large")        \
	X(ERR_INTERNAL,          500, "internal",               "Our mistake")                      \
	X(ERR_NO_MEMORY,         503, "out-of-memory",          "Out of memory")                    \
	X(ERR_DRAINING,          503, "draining",               "The server is shutting down")      \
	X(ERR_STORE,             503, "store-unavailable",      "The store cannot be written")      \
	X(ERR_BUSY,              503, "too-busy",               "Too much at once")                 \
	X(ERR_DISK_FULL,         507, "disk-full",              "The disk is full")                 \
	/* Job errors: never a reply's status, they stand in a job's `error`. */                    \
	X(ERR_JOB_FAILURES,      422, "too-many-failures",      "Too many items failed")            \
	X(ERR_JOB_DEADLINE,      422, "deadline-exceeded",      "The job's deadline has passed")    \
	X(ERR_JOB_ITEM,          422, "item-failed-job",        "An item failed where none may")    \
	X(ERR_JOB_STAGE,         422, "stage-failed",           "A stage could not be started")

enum error_code {
	ERR_NONE,
#define X(code, status, slug, title) code,
	ERROR_TABLE(X)
#undef X
	ERR_COUNT
};
/* clang-format on */

/* Long enough for a line about one mistake; longer texts are cut at a character boundary. */
#define ERROR_TEXT_MAX 360

struct error {
	enum error_code code;
	char text[ERROR_TEXT_MAX];
};

struct error_info {
	int status;
	const char *slug;
	const char *title;
};

/* The table's row of `code`; never NULL. */
const struct error_info *error_info(enum error_code code);

/* Fill `err` (may be NULL) and return -1, so that `return error_set(…)` is the whole path. */
int error_set(struct error *err, enum error_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for "out of memory", without a text to make. */
int error_no_memory(struct error *err);

/* An errno value that says that the system is short of something just now: descriptors,
 * processes, threads, memory. Tried again later it may go well. */
bool error_is_shortage(int number);

#ifdef __clang_analyzer__ /* looks into one file at a time: it has to be told */
static inline int error_returned(int result)
{
	(void)result;
	return -1;
}
#define error_set(...)       error_returned(error_set(__VA_ARGS__))
#define error_no_memory(err) error_returned(error_no_memory(err))
#endif

#endif
