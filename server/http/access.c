#include "http/access.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/trace.h"
#include "http/caller.h"
#include "http/internal.h"
#include "http/listener.h"

#define REFUSALS_PER_S 10 /* that are audited */

/* What is gone when the request is over. */
struct access {
	char client[64];
	char trace_id[TRACE_ID_SIZE];
};

static socklen_t size_of(const struct sockaddr *address)
{
	return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					      : sizeof(struct sockaddr_in);
}

static void name_client(const struct request *request, char *ret, size_t size)
{
	const struct caller *caller = caller_of(request->connection);
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	if (caller != NULL && caller->listener->is_unix)
		snprintf(ret, size, "unix:uid=%ld", (long)(int)caller->uid);
	else if (info == NULL || info->client_addr == NULL ||
		 getnameinfo(info->client_addr, size_of(info->client_addr), ret,
			 (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0)
		ret[0] = '\0';
}

static bool wants_access(const struct request *request)
{
	return request_config(request)->access_log != ACCESS_OFF && log_is_on(LOG_INFO);
}

static bool wants_audit(const struct request *request)
{
	return request_config(request)->audit_log && log_is_on(LOG_AUDIT) &&
	       request->method != METHOD_GET && request->method != METHOD_HEAD;
}

void access_begin(struct request *request)
{
	struct trace trace;

	if (!wants_access(request) && !wants_audit(request))
		return;
	request->access = mem_zalloc(sizeof(*request->access));
	if (request->access == NULL)
		return;
	name_client(request, request->access->client, sizeof(request->access->client));
	if (request_trace(request, &trace) != NULL)
		trace_id_format(&trace, request->access->trace_id);
}

/* The job that the path names, or that was made. */
static const char *job_named(const struct request *request)
{
	struct id id;

	return id_parse(request->arg, &id) ? request->arg : "";
}

static void write_line(const struct request *request)
{
	const struct access *access = request->access;
	double ms = (double)(clock_mono_ns() - request->began_ns) / (double)NS_PER_MS;

	log_info("request",
		"client=%s method=%s path=%.*s status=%u ms=%.3f in=%llu out=%llu job=%s trace=%s",
		access->client, method_name(request->method),
		(int)strcspn(request->target, "?"), request->target, request->status, ms,
		(unsigned long long)request->bytes_in, (unsigned long long)request->bytes_out,
		job_named(request), access->trace_id);
}

/* Strangers can be turned away by the thousand. */
static bool is_worth_it(struct request *request, unsigned *ret_skipped)
{
	*ret_skipped = 0;
	return (request->status != 401 && request->status != 403) ||
	       log_allowed(&request->server->audit_limit, REFUSALS_PER_S, ret_skipped);
}

static void write_audit(struct request *request)
{
	const struct access *access = request->access;
	const struct route *route = request->route;
	char skipped_text[16] = "";
	unsigned skipped;

	if (route == NULL || route->scopes == SCOPE_NONE ||
		(route->scopes & SCOPE_LOOKS) != 0 || !is_worth_it(request, &skipped))
		return;
	if (skipped > 0)
		snprintf(skipped_text, sizeof(skipped_text), "%u", skipped);
	log_write(LOG_AUDIT, "audit",
		"who=\"%s\" client=%s method=%s route=%s job=%s status=%u trace=%s skipped=%s",
		request->principal->name, access->client, method_name(request->method),
		route->pattern, job_named(request), request->status, access->trace_id,
		skipped_text);
}

void access_end(struct request *request)
{
	bool good = request->status > 0 && request->status < 400;

	if (request->access == NULL)
		return;
	if (wants_access(request) &&
		(!good || request_config(request)->access_log == ACCESS_ALL))
		write_line(request);
	if (wants_audit(request))
		write_audit(request);
	mem_free(TAKE(request->access));
}
