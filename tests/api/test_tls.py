"""TLS: who gets through the handshake, who does not, and what a reload changes."""

import re
import ssl

from support.leat import *
from support.metrics import scrape
from support.other_ways import Certificates, TlsApi, TlsConnection, needs_openssl, trusting


def made(t):
    """Certificates for one test, and what the server is started with."""
    needs_openssl(t)
    certificates = Certificates(t.folder())
    cert, key = certificates.sign("server", "localhost")
    return certificates, {"tls-cert": cert, "tls-key": key}


def api_of(t, server, context):
    api = TlsApi(server, context)
    t.cleanup.append(api.close)
    return api


def secure(t, **options):
    certificates, files = made(t)
    server = t.server({**files, **options})
    return certificates, server, api_of(t, server, trusting(certificates.ca))


def refused(connect, *also):
    """The handshake fails, or the connection ends before any reply."""
    try:
        with connect() as connection:
            connection.request("GET", "/livez")
    except (ssl.SSLError, Closed, ConnectionError, AssertionError, TimeoutError) as error:
        ok(not isinstance(error, TimeoutError), f"it hangs: {error}")
        return str(error)
    raise AssertionError("a reply came")


def test_requests_are_answered_over_tls_1_2_and_1_3(t):
    certificates, server, api = secure(t)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with TlsConnection(server.port, trusting(certificates.ca, least=version)) as connection:
            eq(connection.request("GET", "/livez").status, 200, version)
            eq(connection.socket.version().replace(".", "_"), version.name, "version")
            ok("GCM" in connection.socket.cipher()[0] or "CHACHA" in connection.socket.cipher()[0],
               f"{connection.socket.cipher()}")
    context = trusting(certificates.ca)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with TlsConnection(server.port, context) as connection:
        eq(connection.socket.selected_alpn_protocol(), "http/1.1", "ALPN")


def test_tls_1_1_and_weak_ciphers_are_refused(t):
    certificates, server, api = secure(t)
    old = trusting(certificates.ca)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    refused(lambda: TlsConnection(server.port, old))
    weak = trusting(certificates.ca)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("AES128-SHA:AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    refused(lambda: TlsConnection(server.port, weak))
    status(api.get("/livez"), 200)


def test_a_client_that_trusts_another_authority_or_wants_another_name_goes(t):
    certificates, server, api = secure(t)
    other = Certificates(t.folder(), "other")
    ok("CERTIFICATE_VERIFY_FAILED" in refused(lambda: TlsConnection(server.port, trusting(other.ca))),
       "another authority")
    ok("CERTIFICATE_VERIFY_FAILED" in refused(
        lambda: TlsConnection(server.port, trusting(certificates.ca), name="example.com")), "name")
    status(api.get("/livez"), 200)


def test_plain_http_on_a_tls_port_gets_nothing(t):
    certificates, server, api = secure(t)
    refused(lambda: Connection(server.port))
    status(api.get("/livez"), 200)


def test_a_large_upload_and_following_it(t):
    certificates, server, api = secure(t)
    job = t.job(["pass"], api=api)
    stream = job.follow()
    values = [{"n": n, "text": "x" * 400} for n in range(40000)]
    body = ndjson(values)
    eq(job.send(body[:len(body) // 2 + 7][:body.rfind(b"\n", 0, len(body) // 2) + 1])["rejected"], 0)
    half = body.rfind(b"\n", 0, len(body) // 2) + 1
    pieces = [body[at:at + 100000] for at in range(half, len(body), 100000)]
    status(job.upload(iter(pieces), {"close": "true"}), 200)
    seen = sorted(json.loads(line)["n"] for line in stream)
    eq(seen, list(range(40000)), "results that were followed")
    stream.close()
    job.wait_done()


def test_an_early_reply_to_a_large_body_is_readable(t):
    certificates, server, api = secure(t)
    # More than the server reads on patiently: the reply is sent past what is still coming.
    with api.connect() as connection:
        connection.send_head("POST", "/v1/jobs/j_00000000000000000000000000/items",
                             {"Content-Type": NDJSON, "Content-Length": str(64 << 20)})
        connection.send(b"1\n" * (6 << 20))
        problem(connection.read_response(), 404, "job-not-found")


def test_kill_9_in_an_upload_over_tls_and_going_on_by_its_key(t):
    certificates, files = made(t)
    server = t.server(files)
    api = api_of(t, server, trusting(certificates.ca))
    job = t.job(["pass"], api=api)
    lines = [b"%d\n" % n for n in range(60000)]
    with api.connect() as connection:
        connection.send_head("POST", target(job.path + "/items", {}), {
            "Content-Type": NDJSON, "Transfer-Encoding": "chunked", "Idempotency-Key": "tls"})
        connection.send_chunk(b"".join(lines[:30000]))
        until(lambda: job.offset("tls") > 0, 20 * t.slow, "something is on disk")
        server.kill()
    server.start()
    api.close()
    first = job.offset("tls")
    within(first, 1, 30000, "lines on disk")
    status(job.upload(b"".join(lines[first:]), {"close": "true", "offset": first},
                      {"Idempotency-Key": "tls"}), 200)
    job.wait_done()
    eq(sorted(job.results()), list(range(60000)), "results")


def half_handshakes(t, server, count):
    hello = bytes.fromhex("16030102000100 01fc0303".replace(" ", ""))
    made = []
    for at in range(count):
        one = socket.create_connection(("127.0.0.1", server.port), timeout=20 * t.slow)
        if at % 2 == 0:
            one.sendall(hello)
        made.append(one)
    return made


def test_a_thousand_half_handshakes_hurt_nobody(t):
    certificates, files = made(t)
    server = t.server({**files, "connections-per-address": 4000, "header-ms": "1h"})
    api = api_of(t, server, trusting(certificates.ca))
    before = server.rss_kib()
    silent = half_handshakes(t, server, 1000)
    metric = re.compile(rb"^leat_http_connections (\d+)$", re.M)
    until(lambda: int(metric.search(api.get("/metrics").body).group(1)) > 1000, 20 * t.slow,
          "all are connected")
    each = (server.rss_kib() - before) / 1000
    t.note(f"{each:.1f} KiB a connection in the middle of its handshake")
    within(each, 0, 160 if t.settings.sanitizer is None else 4000, "KiB a half handshake")
    for _ in range(200):
        status(api.get("/livez"), 200)
    # libmicrohttpd by itself turns round and round for those who wait: all of a second's CPU.
    ticks = proc_ticks(server.pid)
    silent[0].settimeout(1)
    raises_timeout(lambda: silent[0].recv(1))
    within((proc_ticks(server.pid) - ticks) / os.sysconf("SC_CLK_TCK"), 0, 0.15,
           "seconds of CPU in a second in which nobody says anything")
    for one in silent:
        one.close()
    until(lambda: int(metric.search(api.get("/metrics").body).group(1)) == 1, 20 * t.slow,
          "they are gone")


def raises_timeout(call):
    try:
        call()
    except TimeoutError:
        return
    raise AssertionError("the server said something")


def proc_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def test_nobody_waits_in_a_handshake_for_ever(t):
    certificates, files = made(t)
    server = t.server({**files, "header-ms": 300})
    for one in half_handshakes(t, server, 2):
        eq(one.recv(1), b"", "it is closed")
        one.close()


def test_who_waits_in_a_handshake_does_not_keep_the_server_from_ending(t):
    certificates, server, api = secure(t)
    silent = half_handshakes(t, server, 20)
    status(api.get("/livez"), 200)
    server.stop()
    for one in silent:
        one.close()


def test_garbage_instead_of_a_handshake(t):
    certificates, server, api = secure(t)
    random_ = random.Random(7)
    for length in (1, 5, 11, 100, 5000):
        for head in (b"", b"\x16\x03\x01", b"\x16\x03\x03\xff\xff", b"\x80\x2e\x01\x00\x02"):
            with socket.create_connection(("127.0.0.1", server.port)) as one:
                one.settimeout(20 * t.slow)
                try:
                    one.sendall(head + random_.randbytes(length))
                    one.shutdown(socket.SHUT_WR)
                    while one.recv(1 << 16):
                        pass
                except TimeoutError:
                    raise AssertionError("the server holds on to garbage") from None
                except OSError:  # closed before all was said
                    pass
    status(api.get("/livez"), 200)


def serial_of(server, context):
    with TlsConnection(server.port, context) as connection:
        return connection.socket.getpeercert()["serialNumber"]


def test_a_reload_changes_the_certificate_of_new_connections_only(t):
    certificates, server, api = secure(t)
    context = trusting(certificates.ca)
    stays = api.connect()
    eq(stays.request("GET", "/livez").status, 200)
    first = serial_of(server, context)
    certificates.sign("server", "localhost")
    server.signal(signal.SIGHUP)
    server.log.wait("event=reloaded", 20 * t.slow)
    ok(serial_of(server, context) != first, "the new one is shown")
    eq(stays.socket.getpeercert()["serialNumber"], first, "the old connection")
    eq(stays.request("GET", "/livez").status, 200, "it goes on")
    stays.close()


def test_the_end_of_the_certificate_is_a_metric_that_a_reload_changes(t):
    certificates, server, api = secure(t)
    name = "leat_tls_certificate_not_after_timestamp_seconds"
    with TlsConnection(server.port, trusting(certificates.ca)) as connection:
        told = ssl.cert_time_to_seconds(connection.socket.getpeercert()["notAfter"])
    eq(scrape(api)(name), told, "its end")
    certificates.sign("server", "localhost", last=3)
    server.signal(signal.SIGHUP)
    server.log.wait("event=reloaded", 20 * t.slow)
    within(scrape(api)(name) - time.time(), 1.9 * 86400, 3.1 * 86400, "seconds until the new one ends")
    eq([series for series, _ in scrape(t.api).values if series == name], [], "series without TLS")


def test_a_broken_file_at_a_reload_keeps_what_is_there(t):
    certificates, server, api = secure(t)
    context = trusting(certificates.ca)
    first = serial_of(server, context)
    stranger = Certificates(t.folder(), "stranger").sign("server", "localhost")[1]
    for name, path, why in (("server.pem", None, "no certificate in PEM"),
                            ("server.key", None, "no private key in PEM"),
                            ("server.key", stranger, "is not the key of the certificate")):
        kept = open(certificates.path(name)).read()
        with open(certificates.path(name), "w") as file:
            file.write(open(path).read() if path else "broken\n")
        server.signal(signal.SIGHUP)
        server.log.wait(f"event=not_reloaded .*{why}", 20 * t.slow)
        eq(serial_of(server, context), first, "the certificate")
        with open(certificates.path(name), "w") as file:
            file.write(kept)
    os.rename(certificates.path("server.pem"), certificates.path("away.pem"))
    server.signal(signal.SIGHUP)
    server.log.wait("event=not_reloaded .*No such file", 20 * t.slow)
    status(api.get("/livez"), 200)


def does_not_start(t, options, *why):
    server = t.server(options, start=False)
    server.spawn()
    code = server.wait()
    ok(code in (1, 2), f"exit {code}")
    for text in why:
        ok(text in server.log.tail(), f"not {text!r}:\n{server.log.tail()}")


def test_files_that_are_no_good_are_refused_at_the_start(t):
    certificates, files = made(t)
    encrypted = certificates.path("encrypted.key")
    certificates.openssl("pkcs8", "-topk8", "-in", files["tls-key"], "-out", encrypted, "-passout", "pass:x")
    other = certificates.sign("other", "localhost")
    does_not_start(t, {**files, "tls-cert": "/nowhere.pem"}, "tls-cert: '/nowhere.pem'", "No such file")
    does_not_start(t, {**files, "tls-key": files["tls-cert"]}, "tls-key", "no private key in PEM")
    does_not_start(t, {**files, "tls-cert": files["tls-key"]}, "tls-cert", "no certificate in PEM")
    does_not_start(t, {**files, "tls-key": other[1]}, "is not the key of the certificate")
    does_not_start(t, {**files, "tls-key": encrypted}, "encrypted", "without a passphrase")
    does_not_start(t, {"tls-cert": files["tls-cert"]}, "tls-key is not set")
    does_not_start(t, {"tls-client-ca": certificates.ca}, "set tls-cert and tls-key")
    does_not_start(t, {**files, "tls-client-ca": "/dev/null"}, "tls-client-ca", "no certificate in PEM")


def test_an_expired_certificate_is_a_warning(t):
    certificates, files = made(t)
    files["tls-cert"], files["tls-key"] = certificates.sign("old", "localhost", first=-9, last=-2)
    server = t.server(files)
    server.log.wait("event=certificate_expired .*since_s=", 5)
    ok("expired" in refused(lambda: TlsConnection(server.port, trusting(certificates.ca))), "client")


# -- certificates of clients -----------------------------------------------------------


def test_a_client_certificate_is_required_and_verified(t):
    certificates, files = made(t)
    server = t.server({**files, "tls-client-ca": certificates.ca})
    good = certificates.sign("good", "ci", "client")
    api = api_of(t, server, trusting(certificates.ca, good))
    status(api.get("/v1/jobs"), 200)
    expired = certificates.sign("expired", "ci", "client", first=-9, last=-2)
    no_client = certificates.sign("noclient", "ci", "server")
    stranger = Certificates(t.folder(), "stranger").sign("stranger", "ci", "client")
    for what in (None, expired, no_client, stranger):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            refused(lambda: TlsConnection(server.port, trusting(certificates.ca, what, version)))
    status(api.get("/v1/jobs"), 200)


def tokens_file(t, *records):
    path = os.path.join(t.folder(), "tokens")
    with open(path, "w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return path


def test_a_certificate_is_whom_the_tokens_file_calls_so(t):
    certificates, files = made(t)
    tokens = tokens_file(t, {"name": "reader", "scopes": ["read"]},
                         {"name": "a", "scopes": ["read", "submit"], "labels": {"team": "a"}})
    server = t.server({**files, "tls-client-ca": certificates.ca, "tls-client": "optional",
                       "tokens": tokens})
    reader, a, nobody = (api_of(t, server, trusting(certificates.ca, certificates.sign(name, name, "client")))
                         for name in ("reader", "a", "mallory"))
    status(reader.get("/v1/jobs"), 200)
    problem(reader.post("/v1/jobs", {"stages": [{"use": "pass"}]}), 403, "forbidden")
    made_by_a = a.create({"stages": [{"use": "pass"}], "labels": {"team": "a"}})
    eq(len(reader.jobs()["items"]), 1, "jobs that the reader sees")
    status(a.get(made_by_a.path), 200)
    refusal = problem(nobody.get("/v1/jobs"), 401, "unauthorized")
    ok("mallory" in refusal["detail"], refusal["detail"])
    problem(api_of(t, server, trusting(certificates.ca)).get("/v1/jobs"), 401, "unauthorized")
    # Who is taken out of the file is out, on the connection that he has.
    with open(tokens, "w") as file:
        file.write(json.dumps({"name": "a", "scopes": ["read"]}) + "\n")
    server.signal(signal.SIGHUP)
    server.log.wait("event=reloaded", 20 * t.slow)
    problem(reader.get("/v1/jobs"), 401, "unauthorized")
    problem(a.post("/v1/jobs", {"stages": [{"use": "pass"}]}), 403, "forbidden")


def test_memory_of_a_connection(t):
    certificates, files = made(t)
    server = t.server({**files, "connections-per-address": 4000})
    context = trusting(certificates.ca)
    with TlsConnection(server.port, context) as warm:
        warm.request("GET", "/livez")
    before = server.rss_kib()
    idle = [TlsConnection(server.port, context) for _ in range(200)]
    for one in idle:
        eq(one.request("GET", "/livez").status, 200)
    each = (server.rss_kib() - before) / len(idle)
    t.note(f"{each:.1f} KiB a TLS connection that is kept alive")
    within(each, 0, 200 if t.settings.sanitizer is None else 4000, "KiB a connection")
    for one in idle:
        one.close()
