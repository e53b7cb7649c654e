#include "client/way.h"

#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "client/remote.h"

static int copy(const char *text, char **ret, struct error *err)
{
	if (text == NULL || *text == '\0') /* an empty variable is one that was not set */
		return 0;
	*ret = mem_strdup(text);
	return *ret == NULL ? error_no_memory(err) : 0;
}

static int check_file(const char *what, const char *path, struct error *err)
{
	if (path == NULL || access(path, R_OK) == 0)
		return 0;
	return error_set(
		err, ERR_BAD_REQUEST, "the %s '%.200s' cannot be read: %m", what, path);
}

static int take_socket(struct way *way, const char *url, struct error *err)
{
	const char *path;

	if (url == NULL || strncmp(url, WAY_UNIX, strlen(WAY_UNIX)) != 0)
		return 0;
	path = url + strlen(WAY_UNIX);
	if (*path != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return error_set(err, ERR_BAD_REQUEST,
			"the server '%.120s': give the whole path of its socket, of at most 107 "
			"bytes: unix:/PATH",
			url);
	return copy(path, &way->socket, err);
}

int way_init(struct way *way, const struct remote_config *config, struct error *err)
{
	*way = (struct way){ 0 };
	if (take_socket(way, config->url, err) < 0 ||
		copy(config->cacert, &way->cacert, err) < 0 ||
		copy(config->cert, &way->cert, err) < 0 ||
		copy(config->key, &way->key, err) < 0)
		return -1;
	if (way->key != NULL && way->cert == NULL)
		return error_set(err, ERR_BAD_REQUEST,
			"a key (--cert-key, LEAT_CERT_KEY) goes with a certificate (--cert, LEAT_CERT)");
	if (check_file("certificate of the authority (--cacert, LEAT_CACERT)", way->cacert,
		    err) < 0 ||
		check_file("certificate (--cert, LEAT_CERT)", way->cert, err) < 0)
		return -1;
	return check_file("key (--cert-key, LEAT_CERT_KEY)", way->key, err);
}

void way_done(struct way *way)
{
	mem_free(way->socket);
	mem_free(way->cacert);
	mem_free(way->cert);
	mem_free(way->key);
}

void way_apply(const struct way *way, CURL *easy)
{
	if (way->socket != NULL)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, way->socket);
	if (way->cacert != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, way->cacert);
	if (way->cert != NULL)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, way->cert);
	if (way->cert != NULL) /* one file may hold both */
		curl_easy_setopt(easy, CURLOPT_SSLKEY, way->key != NULL ? way->key : way->cert);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

const char *way_hint(const struct way *way, CURLcode why, const char *said)
{
	static const char own[] =
		"--cert and --cert-key (LEAT_CERT, LEAT_CERT_KEY) must be PEM, and belong together";

	switch (why) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return way->cacert != NULL
			       ? "the certificate of the server is not the one that --cacert "
				 "(LEAT_CACERT) vouches for, or not for this name"
			       : "if the server's certificate is of an authority of your own, name "
				 "that with --cacert or LEAT_CACERT";
	case CURLE_SSL_CACERT_BADFILE:
		return "--cacert (LEAT_CACERT) must be a file of certificates in PEM";
	case CURLE_SSL_CERTPROBLEM:
		return own;
	case CURLE_SSL_CONNECT_ERROR: /* libcurl 8 on GnuTLS says it so */
		return strstr(said, "X.509 key") != NULL ? own : NULL;
	default:
		return NULL;
	}
}
