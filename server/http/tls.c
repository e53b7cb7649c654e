#include "http/tls.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#define FILE_MAX  ((size_t)1 << 20)
#define CHAIN_MAX 16

/* 1.2 and later, forward secrecy and authenticated encryption only. */
static char priorities[] =
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
	"-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD:"
	"%SERVER_PRECEDENCE";

struct tls_generation {
	unsigned refs;
	gnutls_certificate_credentials_t credentials;
	gnutls_certificate_request_t request;
	int64_t expires;
};

struct tls {
	char *cert, *key, *client_ca;
	bool client_must;
	struct tls_generation *current;
};

/* ---- files ---- */

static int bad_file(const char *setting, const char *path, const char *why, struct error *err)
{
	return error_set(err, ERR_BAD_REQUEST, "%s: '%.200s': %s", setting, path, why);
}

static int read_all(int fd, struct buf *to)
{
	char piece[4096];
	ssize_t got;

	while ((got = read(fd, piece, sizeof(piece))) > 0)
		if (to->len + (size_t)got > FILE_MAX || buf_append(to, piece, (size_t)got) < 0)
			return -EFBIG;
	explicit_bzero(piece, sizeof(piece));
	return got < 0 ? -errno : 0;
}

static int read_file(const char *setting, const char *path, struct buf *to, struct error *err)
{
	int fd, result;

	assert(path != NULL);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	result = fd < 0 ? -errno : read_all(fd, to);
	if (fd >= 0)
		close(fd);
	return result < 0 ? bad_file(setting, path, strerror(-result), err) : 0;
}

/* Where the key was, nothing of it stays. */
static void forget(struct buf *bytes)
{
	if (bytes->data != NULL)
		gnutls_memset(bytes->data, 0, bytes->len);
	buf_done(bytes);
}

static gnutls_datum_t datum(const struct buf *bytes)
{
	return (gnutls_datum_t){ (unsigned char *)bytes->data, (unsigned)bytes->len };
}

/* ---- what is in them ---- */

static void warn_of_time(const char *path, time_t from, time_t to)
{
	time_t now = time(NULL);

	if (to < now)
		log_warn("certificate_expired",
			"file=\"%s\" since_s=%lld hint=\"clients will "
			"refuse it\"",
			path, (long long)(now - to));
	else if (from > now)
		log_warn("certificate_not_yet_valid", "file=\"%s\" in_s=%lld", path,
			(long long)(from - now));
}

/* A person is told which file is wrong, and how, before the two are put together. */
static int check_certificate(
	const struct tls *tls, const struct buf *bytes, int64_t *ret_expires, struct error *err)
{
	gnutls_x509_crt_t chain[CHAIN_MAX];
	unsigned count = CHAIN_MAX;
	gnutls_datum_t pem = datum(bytes);
	int result = gnutls_x509_crt_list_import(chain, &count, &pem, GNUTLS_X509_FMT_PEM,
		GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);

	if (result == GNUTLS_E_SHORT_MEMORY_BUFFER)
		return bad_file("tls-cert", tls->cert, "more than 16 certificates", err);
	if (result <= 0)
		return bad_file("tls-cert", tls->cert,
			result == 0 || result == GNUTLS_E_NO_CERTIFICATE_FOUND
				? "no certificate in PEM (-----BEGIN CERTIFICATE-----) is in it"
				: gnutls_strerror(result),
			err);
	*ret_expires = gnutls_x509_crt_get_expiration_time(chain[0]);
	warn_of_time(tls->cert, gnutls_x509_crt_get_activation_time(chain[0]), *ret_expires);
	for (int at = 0; at < result; at++)
		gnutls_x509_crt_deinit(chain[at]);
	return 0;
}

static int check_key(const struct tls *tls, const struct buf *bytes, struct error *err)
{
	gnutls_datum_t pem = datum(bytes);
	gnutls_x509_privkey_t key;
	int result = gnutls_x509_privkey_init(&key);

	if (result < 0)
		return error_no_memory(err);
	result = gnutls_x509_privkey_import2(key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	gnutls_x509_privkey_deinit(key);
	if (result >= 0)
		return 0;
	if (result == GNUTLS_E_DECRYPTION_FAILED)
		return bad_file("tls-key", tls->key,
			"the key is encrypted; give one without a passphrase, that only leat's "
			"user can read",
			err);
	if (bytes->len == 0 || memmem(bytes->data, bytes->len, "PRIVATE KEY-----", 16) == NULL)
		return bad_file("tls-key", tls->key,
			"no private key in PEM (-----BEGIN PRIVATE KEY-----) is in it", err);
	return bad_file("tls-key", tls->key, gnutls_strerror(result), err);
}

static int take_pair(const struct tls *tls, struct tls_generation *generation,
	const struct buf *cert, const struct buf *key, struct error *err)
{
	gnutls_datum_t cert_pem = datum(cert), key_pem = datum(key);
	int result;

	if (check_certificate(tls, cert, &generation->expires, err) < 0 ||
		check_key(tls, key, err) < 0)
		return -1;
	result = gnutls_certificate_set_x509_key_mem2(
		generation->credentials, &cert_pem, &key_pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (result == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return error_set(err, ERR_BAD_REQUEST,
			"tls-key: '%.200s' is not the key of the certificate in '%.200s'",
			tls->key, tls->cert);
	return result < 0 ? bad_file("tls-cert", tls->cert, gnutls_strerror(result), err) : 0;
}

static int load_pair(
	const struct tls *tls, struct tls_generation *generation, struct error *err)
{
	struct buf cert = BUF_INIT, key = BUF_INIT;
	int result = -1;

	if (read_file("tls-cert", tls->cert, &cert, err) == 0 &&
		read_file("tls-key", tls->key, &key, err) == 0)
		result = take_pair(tls, generation, &cert, &key, err);
	buf_done(&cert);
	forget(&key);
	return result;
}

/* ---- certificates of clients ---- */

/* In the handshake: who shows a certificate that is no good gets no further. */
static int on_client(gnutls_session_t session)
{
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT };
	unsigned count = 0, status = 0;

	if (gnutls_certificate_get_peers(session, &count) == NULL || count == 0)
		return 0; /* GNUTLS_CERT_REQUIRE has said that there must be one, or it need not
			   */
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status != 0)
		return GNUTLS_E_CERTIFICATE_ERROR;
	return 0;
}

static int load_client_ca(
	const struct tls *tls, struct tls_generation *generation, struct error *err)
{
	struct buf ca = BUF_INIT;
	gnutls_datum_t pem;
	int result;

	if (tls->client_ca == NULL)
		return 0;
	if (read_file("tls-client-ca", tls->client_ca, &ca, err) < 0) {
		buf_done(&ca);
		return -1;
	}
	pem = datum(&ca);
	result = gnutls_certificate_set_x509_trust_mem(
		generation->credentials, &pem, GNUTLS_X509_FMT_PEM);
	buf_done(&ca);
	if (result <= 0)
		return bad_file("tls-client-ca", tls->client_ca,
			"no certificate in PEM (-----BEGIN CERTIFICATE-----) is in it", err);
	gnutls_certificate_set_verify_function(generation->credentials, on_client);
	generation->request = tls->client_must ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST;
	return 0;
}

/* ---- generations ---- */

void tls_end(struct tls_generation *generation)
{
	if (generation == NULL || --generation->refs > 0)
		return;
	if (generation->credentials != NULL)
		gnutls_certificate_free_credentials(generation->credentials);
	mem_free(generation);
}

/* The library wants to be told of one; tls_begin() gives every session its own, so that this
 * is never asked. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities,
	int authority_count, const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
	gnutls_pcert_st **ret, unsigned *ret_count, gnutls_privkey_t *ret_key)
{
	return -1;
}

struct MHD_OptionItem tls_daemon_options[] = {
	{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, no_certificate },
	{ MHD_OPTION_HTTPS_PRIORITIES, 0, priorities },
	{ MHD_OPTION_END, 0, NULL },
};

struct tls_generation *tls_begin(struct tls *tls, gnutls_session_t session)
{
	struct tls_generation *generation = tls->current;

	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, generation->credentials);
	gnutls_certificate_server_set_request(session, generation->request);
	generation->refs++;
	return generation;
}

static int load(const struct tls *tls, struct tls_generation **ret, struct error *err)
{
	struct tls_generation *generation = mem_zalloc(sizeof(*generation));

	if (generation == NULL)
		return error_no_memory(err);
	generation->refs = 1;
	generation->request = GNUTLS_CERT_IGNORE;
	if (gnutls_certificate_allocate_credentials(&generation->credentials) < 0) {
		generation->credentials = NULL;
		tls_end(generation);
		return error_no_memory(err);
	}
	if (load_pair(tls, generation, err) < 0 || load_client_ca(tls, generation, err) < 0) {
		tls_end(generation);
		return -1;
	}
	*ret = generation;
	return 0;
}

/* ---- all of it ---- */

static int copy(const char *text, char **ret)
{
	*ret = text == NULL ? NULL : mem_strdup(text);
	return text != NULL && *ret == NULL ? -1 : 0;
}

int tls_new(const struct tls_config *config, struct tls **ret, struct error *err)
{
	struct tls *tls = mem_zalloc(sizeof(*tls));

	if (tls == NULL)
		return error_no_memory(err);
	tls->client_must = config->client_must;
	if (copy(config->cert, &tls->cert) < 0 || copy(config->key, &tls->key) < 0 ||
		copy(config->client_ca, &tls->client_ca) < 0) {
		tls_free(tls);
		return error_no_memory(err);
	}
	if (load(tls, &tls->current, err) < 0) {
		tls_free(tls);
		return -1;
	}
	*ret = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	tls_end(tls->current);
	mem_free(tls->cert);
	mem_free(tls->key);
	mem_free(tls->client_ca);
	mem_free(tls);
}

int tls_reload(struct tls *tls, struct error *err)
{
	struct tls_generation *fresh = NULL;

	if (load(tls, &fresh, err) < 0)
		return -1;
	tls_end(tls->current);
	tls->current = fresh;
	return 0;
}

int64_t tls_expires(const struct tls *tls)
{
	return tls->current->expires;
}
