/* Where a server may be, and what is said when none is there. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "client/remote.h"

static const struct {
	const char *given, *url, *why;
} urls[] = {
	{ NULL, REMOTE_DEFAULT, NULL },
	{ "http://127.0.0.1:8080/", "http://127.0.0.1:8080", NULL },
	{ "127.0.0.1:81", "http://127.0.0.1:81", NULL },
	{ "localhost:81/leat/", "http://localhost:81/leat", NULL },
	{ "http://user:secret@a:81/", "http://a:81", NULL },
	{ "https://example.org", "https://example.org", NULL },
	{ "http://[::1]:8080", "http://[::1]:8080", NULL },
	{ "ftp://example.org", NULL, "only http and https are spoken" },
	{ "http://a:99999", NULL, "give it as http://HOST:PORT" },
	{ "http://a/?x", NULL, "there is something behind the path" },
	{ "http://a/#x", NULL, "there is something behind the path" },
	{ "", NULL, "give it as http://HOST:PORT" },
	{ "http://", NULL, "give it as http://HOST:PORT" },
};

Test(remote, a_url_is_understood_or_refused_with_a_reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		const struct remote_config config = { .url = urls[i].given,
			.interrupt_fd = -1 };
		struct remote *remote = NULL;
		struct error err = { 0 };
		int result = remote_open(&remote, &config, &err);

		cr_assert(result == (urls[i].url != NULL ? 0 : -1), "%s: %s", urls[i].given,
			err.text);
		if (urls[i].url != NULL)
			cr_assert(eq(str, (char *)remote_url(remote), (char *)urls[i].url));
		else
			cr_assert(strstr(err.text, urls[i].why) != NULL, "%s", err.text);
		remote_close(remote);
	}
}

Test(remote, text_is_escaped_for_a_url)
{
	struct buf buf = BUF_INIT;

	cr_assert(remote_escape("aZ09-._~ /?&=#%\n\303\251", &buf) == 0);
	cr_assert(buf_append(&buf, "", 1) == 0);
	cr_assert(eq(str, buf.data, (char *)"aZ09-._~%20%2F%3F%26%3D%23%25%0A%C3%A9"));
	buf_done(&buf);
}

/* A socket that takes connections and says nothing, or (backlog 0 and closed) nobody. */
static int listen_somewhere(uint16_t *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 4) == 0);
	cr_assert(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static int call(uint16_t port, int interrupt_fd, unsigned timeout_ms,
	struct remote_reply *reply, struct error *err)
{
	const struct remote_request request = { .path = "/livez", .timeout_ms = timeout_ms };
	char url[64];
	struct remote *remote;
	int result;

	snprintf(url, sizeof(url), "127.0.0.1:%u", port);
	cr_assert(remote_open(&remote,
			  &(struct remote_config){ .url = url, .interrupt_fd = interrupt_fd },
			  err) == 0);
	result = remote_call(remote, &request, reply, err);
	remote_close(remote);
	return result;
}

Test(remote, nobody_there_was_not_sent_to_and_may_be_tried_again)
{
	struct remote_reply reply = REMOTE_REPLY_INIT;
	struct error err;
	uint16_t port;

	close(listen_somewhere(&port));
	cr_assert(call(port, -1, 0, &reply, &err) < 0);
	cr_assert(reply.retry && !reply.sent && !reply.interrupted);
	cr_assert(strstr(err.text, "no server answers at http://127.0.0.1:") != NULL, "%s",
		err.text);
	remote_reply_done(&reply);
}

Test(remote, silence_ends_by_time_or_by_interruption)
{
	struct remote_reply reply = REMOTE_REPLY_INIT;
	struct error err;
	uint16_t port;
	int fd = listen_somewhere(&port), wake[2];

	cr_assert(call(port, -1, 50, &reply, &err) < 0);
	cr_assert(reply.retry && reply.sent && !reply.interrupted);
	cr_assert(strstr(err.text, "did not answer in time") != NULL, "%s", err.text);
	cr_assert(pipe(wake) == 0 && write(wake[1], "x", 1) == 1);
	cr_assert(call(port, wake[0], 0, &reply, &err) < 0);
	cr_assert(reply.interrupted && !reply.retry);
	remote_reply_done(&reply);
	close(wake[0]);
	close(wake[1]);
	close(fd);
}
