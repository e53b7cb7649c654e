"""leat health: the question of a container's HEALTHCHECK."""

from remote import *


def test_a_server_that_lives_is_healthy_without_a_word(t):
    server = t.server()
    for line in (["--server", url(server)], ["--server", url(server) + "/"],
                 ["--server", f"127.0.0.1:{server.port}"], ["--ready", f"--server={url(server)}"]):
        done = leat(t, "health", *line).exits(0)
        eq((done.out, done.err), (b"", ""))
    leat(t, "health", env={"LEAT_SERVER": url(server)}).exits(0)


def test_in_a_container_it_asks_where_the_server_listens(t):
    server = t.server()
    for address in (f"0.0.0.0:{server.port}", f"127.0.0.1:{server.port}"):
        leat(t, "health", env={"LEAT_LISTEN": address}).exits(0)
    leat(t, "health", env={"LEAT_LISTEN": f"127.0.0.1:{closed_port()}",
                           "LEAT_SERVER": url(server)}).exits(0)


def test_a_server_that_is_not_there_is_not(t):
    done = leat(t, "health", "--server", f"http://127.0.0.1:{closed_port()}").exits(1)
    done.says("leat health: no server answers at http://127.0.0.1:", "LEAT_SERVER")
    eq(done.out, b"")


def test_a_server_that_says_nothing_is_given_up_in_time(t):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        leat(t, "health", "--server", address, "--timeout", "200ms").exits(1).says(
            "did not answer in time")


def test_a_server_that_drains_lives_and_is_not_ready(t):
    server = t.server({"drain-ms": "60s"})
    api = t.client(server)
    job = t.job([{"use": "sleep", "params": {"ms": 60000}}], api=api)
    job.send([1])
    job.wait(lambda j: j["counts"]["running"] == 1, what="the item is in hand")
    server.signal(signal.SIGTERM)
    server.log.wait(r"event=signal name=SIGTERM", 10 * t.slow)
    until(lambda: leat(t, "health", "--ready", "--server", url(server)).code == 1, 10 * t.slow,
          "it is not ready")
    leat(t, "health", "--ready", "--server", url(server)).exits(1).says("answers 503", "draining")
    leat(t, "health", "--server", url(server)).exits(0)
    api.close()
    server.signal(signal.SIGTERM)
    eq(server.wait(20), 0)


def test_what_is_no_address_is_a_mistake_in_the_line(t):
    for address, text in {"ftp://127.0.0.1": "only http and https are spoken",
                          "http://127.0.0.1:99999": "give it as http://HOST:PORT",
                          "http://127.0.0.1:1/?a=b": "there is something behind the path",
                          "http://": "give it as http://HOST:PORT"}.items():
        leat(t, "health", "--server", address).exits(2).says("leat health: ", text)
    leat(t, "health", "--timeout", "soon").exits(2).says("--timeout: 'soon' is not a time")
    leat(t, "health", "now").exits(2).says("the argument 'now' is one too many")
