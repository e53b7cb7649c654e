"""Clients that mean harm: requests within requests and many at once."""

import re

import hostile
from support.leat import *


def heard(connection, seconds):
    """Everything up to the end of the connection, and whether that came in time."""
    connection.settimeout(seconds)
    got = bytearray()
    try:
        while piece := connection.recv(1 << 16):
            got += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    except socket.timeout:
        return bytes(got), False
    return bytes(got), True


def statuses(got):
    """Of every reply in these bytes; a body of ours never holds the words."""
    return [int(s) for s in re.findall(rb"HTTP/1\.[01] (\d{3}) ", got) if s != b"100"]


def canary(name):
    body = json.dumps({"name": name, "stages": [{"use": "pass"}]}).encode()
    return (b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)) + body


def exchange(t, api, data, swallowed):
    """Sends bytes and reads to the end of the connection; ours, where it waits for more."""
    with socket.create_connection(("127.0.0.1", api.server.port), 20 * t.slow) as dialled:
        try:
            dialled.sendall(data)
            if swallowed:
                dialled.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # hung up already: that is read below
        return heard(dialled, 20 * t.slow)


def judge(row, found, made):
    """What is wrong with these replies, None."""
    refused = set(found) <= hostile.REFUSALS and not made
    if row.expected in (hostile.REFUSED, hostile.SWALLOWED):
        return None if refused else "is not refused"
    if row.expected == hostile.LAST:
        return None if refused or (len(found) == 1 and not made) else "is not the last"
    right = len(found) == 2 and found[1] == 201 and made
    if row.expected == hostile.EITHER:
        alone_ = len(found) == 1 and not made
        return None if refused or alone_ or right else "is neither refused nor right"
    return None if right and found[0] == row.expected else "is not what it should be"


@timeout(240)
def test_hostile_requests_leave_no_second_one_behind(t):
    server = t.server({"connections-per-address": 1000})
    api = t.client(server, timeout=20 * t.slow)
    wrong, seen = [], {}
    for row in hostile.ROWS:
        got, ended = exchange(t, api, row.data + canary("canary-" + row.name),
                              row.expected == hostile.SWALLOWED)
        ok(ended, f"{row.name}: the connection stays open behind {got!r}")
        seen[row.name] = statuses(got)
    made = {job["name"] for job in api.get("/v1/jobs", {"limit": 500}).json()["items"]}
    for row in hostile.ROWS:
        fault = judge(row, seen[row.name], "canary-" + row.name in made)
        if fault:
            wrong.append(f"{row.name} (RFC {row.section}) {fault}: {seen[row.name]}")
    ok(not wrong, f"{len(wrong)} of {len(hostile.ROWS)}:\n" + "\n".join(wrong))
    t.note(f"{len(hostile.ROWS)} shapes")


def test_hostile_pipelines_are_answered_in_order(t):
    asked = [f"/v1/p{number}" for number in range(200)]
    data = "".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in asked[:-1])
    data += f"GET {asked[-1]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    got, ended = exchange(t, t.api, data.encode(), False)
    ok(ended, "the connection stays open")
    eq(re.findall(r'"instance":"([^"]+)"', got.decode()), asked)
