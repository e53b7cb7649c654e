"""Clients that vanish, never read, or do not go on: they leave nothing behind, others are served."""

from support.leat import *


def reset(peer):
    """Ends it by RST: nothing more is sent, nothing is waited for."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()


def open_files(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


@timeout(120)
def test_clients_that_vanish_leave_nothing(t):
    """In the middle of head, body and reply, by FIN and by RST."""
    proc.raise_open_files(4096)
    server = t.server({"idle-timeout": "5s"})
    api = t.client(server)
    job = api.create({"stages": [{"use": "pass"}]})
    job.send(numbers(20000))
    job.wait(lambda j: j["counts"]["succeeded"] == 20000, what="all is through")
    before = open_files(server)
    wanted = [b"GET /liv", b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Le",
              f"POST {job.path}/items HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
              '{"n":1}\n{"n"'.encode(),
              f"GET {job.path}/results HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
              f"GET {job.path}/results?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
              b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
              b"POST /v1/run?stages=sleep:1&sleep.ms=600000 HTTP/1.1\r\nHost: localhost\r\n"
              b"Content-Length: 8\r\n\r\n{\"n\":1}\n"]
    for wave in range(2 if t.quick or t.slow > 1 else 20):
        peers = []
        for number in range(500):
            peer = socket.create_connection(("127.0.0.1", server.port), timeout=20 * t.slow)
            peer.sendall(wanted[number % len(wanted)])
            peers.append(peer)
        for number, peer in enumerate(peers):
            (reset if (number + wave) % 2 else socket.socket.close)(peer)
    eq(api.get("/livez").status, 200, "alive")
    # Who vanished in the middle of a head is seen by the head's deadline, whoever is left by
    # idle-timeout.
    until(lambda: open_files(server) <= before + 2, 90 * t.slow, "their descriptors are closed",
          pause=0.1)
    # a job of /v1/run goes with its client
    until(lambda: len(api.jobs()["items"]) == 1, 30 * t.slow, "their jobs are gone", pause=0.1)
    ok(job.get()["input"]["received"] >= 20000, "received")


def test_a_client_that_never_reads_holds_up_nobody(t):
    server = t.server()
    api = t.client(server)
    job = api.create({"stages": [{"use": "pass"}]})
    job.send([{"pad": "x" * 1000} for _ in range(30000)], close=True)
    job.wait_done()
    idle = server.rss_kib()
    peers = []
    for _ in range(40):
        peer = socket.create_connection(("127.0.0.1", server.port), timeout=20 * t.slow)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sendall(f"GET {job.path}/results HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        peers.append(peer)
    for _ in range(20):
        status(api.get("/livez"), 200)
    eq(len(job.results()), 30000, "results for who reads")
    if t.settings.sanitizer is None:
        within(server.rss_kib() - idle, -100000, 60 * 1024, "KiB for 40 who do not read")
    for peer in peers:
        reset(peer)


def test_who_is_told_to_continue_and_goes_is_forgotten(t):
    server = t.server()
    api = t.client(server)
    job = api.create({"stages": [{"use": "pass"}]})
    before = open_files(server)
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20 * t.slow) as peer:
            peer.sendall(f"POST {job.path}/items HTTP/1.1\r\nHost: localhost\r\n"
                         "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n".encode())
            ok(peer.recv(1000).startswith(b"HTTP/1.1 100"), "100 Continue")
    until(lambda: open_files(server) <= before, 30 * t.slow, "they are forgotten", pause=0.05)
    job.send([{"n": 1}], close=True)
    eq(job.wait_done()["input"]["received"], 1, "received")


def test_half_closed_connections_keep_what_they_sent(t):
    """Who ends his sending side early may get no answer (docs/reliability.md), but what he sent
    whole is kept, once, and his connection is not."""
    server = t.server()
    api = t.client(server)
    job = api.create({"stages": [{"use": "pass"}]})
    before = open_files(server)
    body = ndjson(numbers(500))
    head = (f"POST {job.path}/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: {NDJSON}\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    for _ in range(20):
        peer = socket.create_connection(("127.0.0.1", server.port), timeout=20 * t.slow)
        peer.sendall(head + body)
        peer.shutdown(socket.SHUT_WR)
        try:
            answer = b"".join(iter(lambda peer=peer: peer.recv(65536), b""))
        except ConnectionResetError:
            answer = b""
        ok(answer == b"" or answer.startswith(b"HTTP/1.1 200 "), answer)
        peer.close()
    peer = socket.create_connection(("127.0.0.1", server.port), timeout=20 * t.slow)
    peer.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    peer.shutdown(socket.SHUT_WR)
    answer = b"".join(iter(lambda: peer.recv(65536), b""))
    ok(answer.startswith(b"HTTP/1.1 200 "), answer)
    peer.close()
    job.wait(lambda j: j["counts"]["succeeded"] == 20 * 500, what="all of it came through")
    until(lambda: open_files(server) <= before + 1, 30 * t.slow, "their descriptors are closed")
