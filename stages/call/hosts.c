#include "call/hosts.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <yyjson.h>

/* Not the public internet; IPv4 in its mapped form. RFC 6890 and what came after it. */
static const char *const special[] = { "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10",
	"127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/96", "64:ff9b:1::/48", "100::/64",
	"2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
	"fec0::/10", "ff00::/8" };

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* ---- addresses ---- */

static bool parse_address(const char *text, struct address *ret, bool *ret_v4)
{
	*ret_v4 = inet_pton(AF_INET, text, ret->bytes + 12) == 1;
	if (*ret_v4)
		memcpy(ret->bytes, mapped, sizeof(mapped));
	return *ret_v4 || inet_pton(AF_INET6, text, ret->bytes) == 1;
}

static bool parse_network(const char *text, struct network *ret)
{
	char address[INET6_ADDRSTRLEN + 1], *end;
	size_t len = strcspn(text, "/");
	unsigned long bits;
	bool v4;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (!parse_address(address, &ret->address, &v4))
		return false;
	ret->bits = 128;
	if (text[len] == '\0')
		return true;
	if (text[len + 1] < '0' || text[len + 1] > '9')
		return false;
	bits = strtoul(text + len + 1, &end, 10);
	if (*end != '\0' || bits > (v4 ? 32 : 128))
		return false;
	ret->bits = (unsigned)bits + (v4 ? 96 : 0);
	return true;
}

static bool is_in(const struct network *network, const struct address *address)
{
	size_t whole = network->bits / 8;
	unsigned rest = network->bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	if (memcmp(network->address.bytes, address->bytes, whole) != 0)
		return false;
	return rest == 0 ||
	       ((network->address.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

static bool is_special(const struct address *address)
{
	struct network network;

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (parse_network(special[i], &network) && is_in(&network, address))
			return true;
	return false;
}

/* An IPv4 address that travels inside an IPv6 one: NAT64 and 6to4. */
static bool is_carrier(const struct address *address, struct address *ret_inner)
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	const uint8_t *inner = NULL;

	if (memcmp(address->bytes, nat64, sizeof(nat64)) == 0)
		inner = address->bytes + 12;
	else if (address->bytes[0] == 0x20 && address->bytes[1] == 0x02)
		inner = address->bytes + 2;
	if (inner == NULL)
		return false;
	memcpy(ret_inner->bytes, mapped, sizeof(mapped));
	memcpy(ret_inner->bytes + 12, inner, 4);
	return true;
}

static bool from_sockaddr(const struct sockaddr *from, struct address *ret)
{
	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;

		memcpy(ret->bytes, mapped, sizeof(mapped));
		memcpy(ret->bytes + 12, &v4->sin_addr, 4);
		return true;
	}
	if (from->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;

		memcpy(ret->bytes, &v6->sin6_addr, 16);
		return true;
	}
	return false;
}

static void show(const struct address *address, char *shown)
{
	if (memcmp(address->bytes, mapped, sizeof(mapped)) == 0)
		inet_ntop(AF_INET, address->bytes + 12, shown, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, address->bytes, shown, INET6_ADDRSTRLEN);
}

bool hosts_allow_address(const struct hosts *hosts, const struct target *target,
	const struct sockaddr *sockaddr, char *shown)
{
	struct address address, inner;

	strcpy(shown, "?");
	if (!from_sockaddr(sockaddr, &address))
		return false;
	show(&address, shown);
	if (target->literal && memcmp(&target->address, &address, sizeof(address)) == 0)
		return true;
	for (size_t i = 0; i < hosts->network_count; i++)
		if (is_in(&hosts->networks[i], &address))
			return true;
	if (is_special(&address))
		return false;
	return !is_carrier(&address, &inner) || !is_special(&inner);
}

/* ---- rules ---- */

static void lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text | 0x20);
}

/* The end of the host: "[::1]:80" has colons before it. */
static char *find_port(char *host)
{
	char *from = *host == '[' ? strchr(host, ']') : host;

	return from == NULL ? NULL : strchr(from, ':');
}

static bool take_port(struct host_rule *rule, char *host)
{
	char *colon = find_port(host), *end;
	unsigned long port;

	if (colon == NULL)
		return true;
	*colon = '\0';
	rule->any_port = strcmp(colon + 1, "*") == 0;
	if (rule->any_port)
		return true;
	if (colon[1] < '0' || colon[1] > '9')
		return false;
	port = strtoul(colon + 1, &end, 10);
	rule->port = (unsigned)port;
	return *end == '\0' && port >= 1 && port <= 65535;
}

/* Does it look like a name or an address? Written as every resolver writes it. */
static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 253 || name[len - 1] == '.')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._:") == len;
}

/* "[::1]" and "::1" are one. */
static void canonical(char *name)
{
	size_t len = strlen(name);
	struct address address = { 0 };
	char shown[INET6_ADDRSTRLEN];
	bool v4;

	if (*name == '[' && name[len - 1] == ']') {
		memmove(name, name + 1, len - 2);
		name[len - 2] = '\0';
	}
	if (strchr(name, ':') == NULL || !parse_address(name, &address, &v4))
		return;
	inet_ntop(AF_INET6, address.bytes, shown, sizeof(shown));
	if (strlen(shown) <= len)
		strcpy(name, shown);
}

static bool take_name(struct host_rule *rule, char *host)
{
	if (strcmp(host, "*") == 0) {
		rule->below = true;
		rule->name = strdup("");
		return true;
	}
	rule->below = strncmp(host, "*.", 2) == 0;
	canonical(host);
	rule->name = strdup(host + rule->below);
	return is_name(host + (rule->below ? 2 : 0));
}

/* False when it cannot be understood; rule->name is NULL without memory. */
static bool parse_rule(struct host_rule *rule, char *text)
{
	char *host = strstr(text, "://");

	if (host == NULL)
		host = text;
	else
		*host = '\0', host += 3;
	lower(text);
	lower(host);
	if (host != text) {
		if (strcmp(text, "http") != 0 && strcmp(text, "https") != 0)
			return false;
		rule->scheme = strdup(text);
		if (rule->scheme == NULL)
			return true;
	}
	return take_port(rule, host) && take_name(rule, host);
}

static enum stage_result add_rule(
	struct hosts *hosts, yyjson_val *value, size_t index, struct stage_ctx *ctx)
{
	struct host_rule *rule = &hosts->rules[hosts->rule_count++];
	const char *given = yyjson_get_str(value);
	char *text;
	bool good;

	if (given == NULL || strlen(given) != yyjson_get_len(value))
		return stage_fail(ctx, STAGE_PERMANENT, "/hosts/%zu: must be a string", index);
	text = strdup(given);
	good = text != NULL && parse_rule(rule, text);
	free(text);
	if (text == NULL || (good && rule->name == NULL))
		return stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	if (!good)
		return stage_fail(ctx, STAGE_PERMANENT,
			"/hosts/%zu: must be a host such as \"api.example.com\", "
			"\"*.example.com\", \"127.0.0.1:8081\" or \"https://host\"",
			index);
	return STAGE_OK;
}

static enum stage_result add_network(
	struct hosts *hosts, yyjson_val *value, size_t index, struct stage_ctx *ctx)
{
	const char *text = yyjson_get_str(value);

	if (text == NULL || !parse_network(text, &hosts->networks[hosts->network_count]))
		return stage_fail(ctx, STAGE_PERMANENT,
			"/networks/%zu: must be a network such as \"10.0.0.0/8\" or "
			"\"fd00::/8\"",
			index);
	hosts->network_count++;
	return STAGE_OK;
}

typedef enum stage_result (*add_one)(
	struct hosts *hosts, yyjson_val *value, size_t index, struct stage_ctx *ctx);

static enum stage_result read_list(struct hosts *hosts, const char *name, const char *json,
	void **ret_memory, size_t size, add_one add, struct stage_ctx *ctx)
{
	yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc), *value;
	enum stage_result result = STAGE_OK;
	size_t at, max;

	*ret_memory = calloc(yyjson_arr_size(root) + 1, size);
	if (doc == NULL || *ret_memory == NULL)
		result = stage_fail(ctx, STAGE_TRANSIENT, "no memory");
	else if (!yyjson_is_arr(root))
		result = stage_fail(
			ctx, STAGE_PERMANENT, "/%s: must be an array of strings", name);
	yyjson_arr_foreach(root, at, max, value)
	{
		if (result == STAGE_OK)
			result = add(hosts, value, at, ctx);
	}
	yyjson_doc_free(doc);
	return result;
}

enum stage_result hosts_read(struct hosts *hosts, const char *hosts_json,
	const char *networks_json, struct stage_ctx *ctx)
{
	enum stage_result result;

	*hosts = (struct hosts){ 0 };
	result = read_list(hosts, "hosts", hosts_json, (void **)&hosts->rules,
		sizeof(hosts->rules[0]), add_rule, ctx);
	if (result == STAGE_OK)
		result = read_list(hosts, "networks", networks_json, (void **)&hosts->networks,
			sizeof(hosts->networks[0]), add_network, ctx);
	if (result != STAGE_OK)
		hosts_done(hosts);
	return result;
}

void hosts_done(struct hosts *hosts)
{
	for (size_t i = 0; i < hosts->rule_count; i++) {
		free(hosts->rules[i].scheme);
		free(hosts->rules[i].name);
	}
	free(hosts->rules);
	free(hosts->networks);
	*hosts = (struct hosts){ 0 };
}

/* ---- a URL ---- */

static bool name_matches(const struct host_rule *rule, const char *host)
{
	size_t len = strlen(host), end = strlen(rule->name);

	if (!rule->below)
		return strcmp(rule->name, host) == 0;
	return len > end && strcmp(host + len - end, rule->name) == 0;
}

static bool rule_matches(const struct host_rule *rule, const struct target *target)
{
	bool secure = strncmp(target->origin, "https:", 6) == 0;
	unsigned own = secure ? 443 : 80;

	if (rule->scheme != NULL && (strcmp(rule->scheme, "https") == 0) != secure)
		return false;
	if (!rule->any_port && target->port != (rule->port != 0 ? rule->port : own))
		return false;
	return name_matches(rule, target->host);
}

bool hosts_name(const struct hosts *hosts, const struct target *target)
{
	for (size_t i = 0; i < hosts->rule_count; i++)
		if (rule_matches(&hosts->rules[i], target))
			return true;
	return false;
}

/* A rule that names this very address vouches for it; "*" and "*.0.1" do not. */
static bool is_listed_literal(const struct hosts *hosts, struct target *target)
{
	bool v4;

	if (!parse_address(target->host, &target->address, &v4))
		return false;
	for (size_t i = 0; i < hosts->rule_count; i++)
		if (!hosts->rules[i].below && rule_matches(&hosts->rules[i], target))
			return true;
	return false;
}

const char hosts_no_memory[] = "no memory";

enum part { PART_NONE, PART_THERE, PART_NO_MEMORY };

/* PART_NONE where there is none, or one that is too long. */
static enum part take_part(CURLU *url, CURLUPart part, char *to, size_t size, unsigned flags)
{
	char *text;
	size_t len;
	CURLUcode code = curl_url_get(url, part, &text, flags);

	if (code != CURLUE_OK)
		return code == CURLUE_OUT_OF_MEMORY ? PART_NO_MEMORY : PART_NONE;
	len = strlen(text);
	if (len < size)
		memcpy(to, text, len + 1);
	curl_free(text);
	return len < size ? PART_THERE : PART_NONE;
}

static enum part has_part(CURLU *url, CURLUPart part)
{
	char *text;
	CURLUcode code = curl_url_get(url, part, &text, 0);

	if (code != CURLUE_OK)
		return code == CURLUE_OUT_OF_MEMORY ? PART_NO_MEMORY : PART_NONE;
	curl_free(text);
	return PART_THERE;
}

/* What of the URL must be there, and what must not; NULL: it is so. */
static const char *take_parts(
	CURLU *url, char scheme[static 16], char *host, size_t host_size, char port[static 16])
{
	enum part schemed = take_part(url, CURLUPART_SCHEME, scheme, 16, 0),
		  user = has_part(url, CURLUPART_USER),
		  password = has_part(url, CURLUPART_PASSWORD),
		  hosted = take_part(url, CURLUPART_HOST, host, host_size, 0),
		  ported = take_part(url, CURLUPART_PORT, port, 16, CURLU_DEFAULT_PORT);

	if (schemed == PART_NO_MEMORY || user == PART_NO_MEMORY || password == PART_NO_MEMORY ||
		hosted == PART_NO_MEMORY || ported == PART_NO_MEMORY)
		return hosts_no_memory;
	if (schemed != PART_THERE ||
		(strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return "the URL must begin with http:// or https://";
	if (user == PART_THERE || password == PART_THERE)
		return "the URL must have no user and password; use a header";
	if (hosted != PART_THERE || ported != PART_THERE)
		return "the URL's host cannot be understood";
	return NULL;
}

const char *hosts_check(
	const struct hosts *hosts, CURLU *url, struct target *ret, char *why, size_t why_size)
{
	char scheme[16], port[16];
	const char *mistake;

	*ret = (struct target){ 0 };
	mistake = take_parts(url, scheme, ret->host, sizeof(ret->host), port);
	if (mistake != NULL)
		return mistake;
	lower(ret->host);
	canonical(ret->host);
	if (!is_name(ret->host))
		return "the URL's host cannot be understood";
	ret->port = (unsigned)strtoul(port, NULL, 10);
	snprintf(ret->origin, sizeof(ret->origin), "%s://%s:%u", scheme, ret->host, ret->port);
	if (!hosts_name(hosts, ret)) {
		snprintf(why, why_size,
			"the host '%.100s' (port %u) is not one that the operator allows in "
			"stages.d/http.json",
			ret->host, ret->port);
		return why;
	}
	ret->literal = is_listed_literal(hosts, ret);
	return NULL;
}
