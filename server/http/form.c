#include "http/form.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LENGTH_DIGITS 18 /* more cannot be a length, and may wrap around */

struct head {
	unsigned framings, hosts;
	const char *length, *coding, *host;
	bool is_bad; /* a field that others may read as another, or as two */
};

/* RFC 9110, 5.6.2 */
static bool is_name(const char *name)
{
	for (; isalnum((unsigned char)*name) ||
		(*name != '\0' && strchr("!#$%&'*+-.^_`|~", *name) != NULL);
		name++)
		;
	return *name == '\0';
}

/* RFC 9110, 5.5 */
static bool is_value(const char *value)
{
	for (; (unsigned char)*value >= ' ' || *value == '\t'; value++)
		if (*value == 0x7f)
			return false;
	return *value == '\0';
}

static enum MHD_Result look_at(
	void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct head *head = arg;

	if (value == NULL)
		value = "";
	if (!is_name(name) || !is_value(value))
		head->is_bad = true;
	if (strcasecmp(name, "Content-Length") == 0)
		head->length = value;
	else if (strcasecmp(name, "Transfer-Encoding") == 0)
		head->coding = value;
	else if (strcasecmp(name, "Host") == 0) {
		head->host = value;
		head->hosts++;
		return MHD_YES;
	} else
		return MHD_YES;
	head->framings++;
	return MHD_YES;
}

static int check_fields(const struct head *head, struct error *err)
{
	if (!head->is_bad)
		return 0;
	return error_set(err, ERR_BAD_REQUEST,
		"a header's name is none, or its value has a control character in it");
}

/* ---- the body ---- */

static bool is_length(const char *text)
{
	size_t digits;

	text += strspn(text, "0");
	digits = strspn(text, "0123456789");
	return digits <= LENGTH_DIGITS && text[digits] == '\0';
}

/* RFC 9112, 6.3 */
static int check_framing(
	const struct request *request, const struct head *head, struct error *err)
{
	if (head->coding != NULL && request->http_1_0)
		return error_set(err, ERR_BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding");
	if (head->framings > 1 ||
		(head->coding != NULL && strcasecmp(head->coding, "chunked") != 0))
		return error_set(err, ERR_BAD_REQUEST,
			"a body has one Content-Length, or else Transfer-Encoding: chunked, "
			"and not both");
	if (head->length != NULL && (head->length[0] == '\0' || !is_length(head->length)))
		return error_set(err, ERR_BAD_REQUEST, "Content-Length '%.40s' is no length",
			head->length);
	return 0;
}

/* ---- who and what is meant ---- */

static bool is_authority(const char *text, size_t len)
{
	for (size_t at = 0; at < len; at++)
		if (!isgraph((unsigned char)text[at]) || strchr("\"#,/<>?@\\^`{|}", text[at]))
			return false;
	return true;
}

/* RFC 9112, 3.2 */
static int check_host(const struct request *request, const struct head *head, struct error *err)
{
	if (head->hosts == 0 && !request->http_1_0)
		return error_set(err, ERR_BAD_REQUEST, "HTTP/1.1 wants a Host header");
	if (head->hosts > 1)
		return error_set(
			err, ERR_BAD_REQUEST, "there are %u Host headers", head->hosts);
	if (head->hosts == 1 && !is_authority(head->host, strlen(head->host)))
		return error_set(err, ERR_BAD_REQUEST, "Host '%.100s' is no host", head->host);
	return 0;
}

/* http://host/path becomes /path, if that is the host of the header too (RFC 9112, 3.2.2). */
static int take_absolute(struct request *request, const struct head *head, struct error *err)
{
	char *authority = strstr(request->target, "://") + strlen("://");
	size_t len = strcspn(authority, "/?");

	if (head->host == NULL || strlen(head->host) != len ||
		strncasecmp(head->host, authority, len) != 0)
		return error_set(err, ERR_BAD_REQUEST,
			"the request's target is of another host than its Host header");
	if (authority[len] == '/') {
		memmove(request->target, authority + len, strlen(authority + len) + 1);
		return 0;
	}
	request->target[0] = '/'; /* there is room: a scheme stood here */
	memmove(request->target + 1, authority + len, strlen(authority + len) + 1);
	return 0;
}

static bool is_absolute(const char *target)
{
	return strncasecmp(target, "http://", strlen("http://")) == 0 ||
	       strncasecmp(target, "https://", strlen("https://")) == 0;
}

/* RFC 9112, 3.2: no space, no control character; and of the other forms, what is for us. */
static int check_target(
	struct request *request, const struct head *head, const char *method, struct error *err)
{
	const char *target = request->target;

	for (const char *at = target; *at != '\0'; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f)
			return error_set(err, ERR_BAD_REQUEST,
				"there is a space or a control character in the request's "
				"target: write it as %%%02X",
				(unsigned char)*at);
	if (is_absolute(target))
		return take_absolute(request, head, err);
	if (target[0] == '/' || (strcmp(target, "*") == 0 && strcmp(method, "OPTIONS") == 0))
		return 0;
	return error_set(
		err, ERR_BAD_REQUEST, "the request's target '%.100s' is no path", target);
}

/* ---- the whole ---- */

static enum MHD_Result add_size(
	void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	size_t *size = arg;

	*size += strlen(name) + strlen(": ") + strlen("\r\n");
	*size += value == NULL ? 0 : strlen(value);
	return MHD_YES;
}

void form_measure(struct request *request, const char *method)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	size_t size = strlen(method) + strlen(" ") + strlen(request->target) +
		      strlen(" HTTP/1.1\r\n") + strlen("\r\n");

	if (info == NULL || MHD_get_version()[0] != '0')
		return;
	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, add_size, &size);
	request->unclear = info->header_size != size;
}

int form_check(struct request *request, const char *method, struct error *err)
{
	struct head head = { 0 };

	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, look_at, &head);
	if (check_fields(&head, err) == 0 && check_framing(request, &head, err) == 0 &&
		check_host(request, &head, err) == 0 &&
		check_target(request, &head, method, err) == 0)
		return 0;
	request->unclear = true;
	request->garbled = true;
	return -1;
}
