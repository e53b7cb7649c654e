"""Commands that reach a server through a Unix socket or over TLS."""

from line import *
from remote import closed_port
from support.other_ways import Certificates, needs_openssl


def on_unix(t):
    path = os.path.join(t.folder(), "leat.sock")
    return t.server({"listen": f"unix:{path}"}), path


def secure(t, **options):
    needs_openssl(t)
    certificates = Certificates(t.folder())
    cert, key = certificates.sign("server", "localhost")
    server = t.server({"tls-cert": cert, "tls-key": key, **options})
    return server, certificates


def test_a_job_over_a_unix_socket(t):
    server, path = on_unix(t)
    done = leat(t, "submit", "pass", "--results", stdin="1\n2\n3\n", env={"LEAT_SERVER": f"unix:{path}"})
    eq(sorted(done.exits(0).lines()), ["1", "2", "3"])
    eq(len(leat(t, "ls", "--json", "--server", f"unix:{path}").exits(0).values()), 1)
    leat(t, "stages", "--server", f"unix:{path}").exits(0)
    leat(t, "health", "--ready", "--server", f"unix:{path}").exits(0)
    leat(t, "health", env={"LEAT_LISTEN": f"127.0.0.1:{closed_port()},unix:{path}"}).exits(0)


def test_a_unix_socket_that_is_not_there_is_named(t):
    leat(t, "ls", "--server", "unix:/nowhere/leat.sock").exits(1).says("no server answers at unix:/nowhere/leat.sock")
    for bad in ("unix:", "unix:relative", "unix:/" + "x" * 200):
        leat(t, "ls", "--server", bad).exits(2).says("give the whole path of its socket")


def test_a_job_over_tls(t):
    server, certificates = secure(t)
    env = {"LEAT_SERVER": f"https://localhost:{server.port}", "LEAT_CACERT": certificates.ca}
    done = leat(t, "submit", "pass", "--results", stdin="1\n2\n3\n", env=env)
    eq(sorted(done.exits(0).lines()), ["1", "2", "3"])
    leat(t, "ls", "--server", env["LEAT_SERVER"], "--cacert", certificates.ca).exits(0)
    leat(t, "stages", "--server", env["LEAT_SERVER"], env=env).exits(0)
    leat(t, "health", env={"LEAT_LISTEN": f"localhost:{server.port}", "LEAT_TLS_CERT": "x",
                           "LEAT_CACERT": certificates.ca}).exits(0)


def test_a_server_that_nobody_vouches_for_is_told_nothing(t):
    server, certificates = secure(t)
    other = Certificates(t.folder(), "other")
    url = f"https://localhost:{server.port}"
    leat(t, "ls", "--server", url).exits(2).says("--cacert or LEAT_CACERT")
    leat(t, "ls", "--server", url, "--cacert", other.ca).exits(2).says("--cacert", "vouches for")
    leat(t, "ls", "--server", url, "--cacert", "/nowhere").exits(2).says("'/nowhere' cannot be read")
    leat(t, "ls", "--server", url, "--cert-key", "/nowhere").exits(2).says("goes with a certificate")


def test_a_client_certificate_is_shown(t):
    server, certificates = secure(t)
    server.stop()
    server.options["tls-client-ca"] = certificates.ca
    server.start()
    cert, key = certificates.sign("ci", "ci", "client")
    both = certificates.path("both.pem")
    with open(both, "w") as file:
        file.write(open(cert).read() + open(key).read())
    url = f"https://localhost:{server.port}"
    line = ("ls", "--server", url, "--cacert", certificates.ca)
    leat(t, *line, "--cert", cert, "--cert-key", key).exits(0)
    leat(t, *line, env={"LEAT_CERT": both}).exits(0)
    leat(t, *line).exits(1)
    leat(t, *line, "--cert", cert, "--cert-key", certificates.path("server.key")).exits(2).says("belong together")
