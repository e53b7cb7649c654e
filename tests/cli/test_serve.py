"""leat serve: its start, its end, and what it says about both."""

from line import *


def test_it_says_where_it_listens(t):
    server = t.server()
    found = server.log.wait(
        r"event=listening address=(\S+) port=(\d+) data=(\S+) pid=(\d+) version=\S+", 5)
    eq(found.group(1), "127.0.0.1")
    eq(found.group(3), server.data)
    eq(int(found.group(4)), server.pid)


def test_it_listens_on_ipv6(t):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        t.skip("no IPv6 here")
    server = t.server({"listen": "[::1]:0"})
    connection = socket.create_connection(("::1", server.port), 5)
    connection.close()


def test_a_taken_port_is_said_and_exits_1(t):
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    done = leat(t, "serve", "--listen", f"127.0.0.1:{port}", "--data", folder(t)).exits(1)
    taken.close()
    done.says("leat serve: ", str(port))


def test_a_data_folder_in_use_is_said_and_exits_1(t):
    server = t.server()
    done = leat(t, "serve", "--listen", "127.0.0.1:0", "--data", server.data).exits(1)
    done.says("leat serve: ", server.data)


def test_a_data_folder_that_cannot_be_made_is_said_and_exits_1(t):
    blocked = file(t, "file", "not a folder")
    leat(t, "serve", "--listen", "127.0.0.1:0", "--data", f"{blocked}/data").exits(1).says(
        "leat serve: ", f"{blocked}/data")


def test_a_missing_folder_of_stages_ends_it(t):
    leat(t, "serve", "--listen", "127.0.0.1:0", "--data", folder(t), "--stages",
         "/nowhere").exits(1).says("/nowhere")


def test_a_broken_module_is_logged_and_the_rest_serves(t):
    modules = folder(t)
    with open(os.path.join(modules, "broken.so"), "wb") as out:
        out.write(b"this is no module")
    server = t.server({"stages": modules})
    server.log.wait(r"broken\.so", 5)
    eq(t.client(server).get("/livez").status, 200)


def test_settings_come_from_flag_environment_and_file(t):
    config = file(t, "leat.json", '{"item_max": 2048, "stall_ms": "33s"}')
    server = t.server({"config": config}, env={"LEAT_ITEM_MAX": "4096"})
    api = t.client(server)
    job = t.job(api=api)
    fits = job.upload(b'"' + b"x" * 3000 + b'"\n')
    eq(fits.status, 200)
    eq(job.upload(b'"' + b"x" * 5000 + b'"\n').status, 413)
    job.delete()


def test_an_unknown_variable_is_warned_about(t):
    server = t.server(env={"LEAT_ITEM_MAXX": "4096"})
    server.log.wait(r"warn event=unknown_variable name=LEAT_ITEM_MAXX\b", 5)


def test_the_log_can_be_json(t):
    server = t.server({"log": "json"}, start=False)
    server.spawn()
    found = server.log.wait(r'^\{.*"event":"listening".*\}$', 20)
    line = json.loads(found.group(0))
    eq((line["level"], line["event"]), ("info", "listening"))
    server.stop()


def test_the_log_level_is_kept(t):
    server = t.server({"log-level": "error"}, start=False)
    server.spawn()
    until(lambda: os.path.exists(server.data), 10 * t.slow, "it starts")
    server.stop()
    eq(list(server.log.lines), [])


# -- the end ---------------------------------------------------------------------------


def sleeping_job(t, api, ms, items, workers=1):
    job = t.job([{"use": "sleep", "workers": workers, "params": {"ms": ms}}], api=api)
    job.send(list(range(items)), close=True)
    until(lambda: job.get()["counts"]["running"] > 0, 10 * t.slow, "an item is in hand")
    return job


def after_restart(t, server, job):
    """The job as the next start finds it."""
    server.start()
    return Job(t.client(server), job.id)


def test_sigterm_without_work_exits_0_at_once(t):
    server = t.server()
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    eq(server.wait(10), 0)
    within(time.monotonic() - began, 0, 3 * t.slow, "seconds")
    server.log.wait(r"event=signal name=SIGTERM", 1)
    server.log.wait(r"event=ended", 1)


def test_a_drain_lets_items_in_hand_end_and_is_not_ready_meanwhile(t):
    server = t.server()
    api = t.client(server)
    job = sleeping_job(t, api, 1500, 1)
    eq(api.get("/readyz").status, 200)
    server.signal(signal.SIGTERM)
    until(lambda: api.get("/readyz").status == 503, 1.2 * t.slow, "not ready")
    eq(api.get("/livez").status, 200)
    problem(api.post("/v1/jobs", {"stages": [{"use": "pass"}]}), 503, "draining")
    eq(server.wait(10), 0)
    eq(after_restart(t, server, job).results(), [0])


def test_a_drain_ends_in_time_and_loses_nothing(t):
    server = t.server({"drain-ms": 300})
    job = sleeping_job(t, t.client(server), 60000, 1)
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    eq(server.wait(10), 0)
    within(time.monotonic() - began, 0.25, 0.3 + 3 * t.slow, "seconds")
    job = after_restart(t, server, job)
    got = job.get()
    eq((got["input"]["received"], got["counts"]["succeeded"]), (1, 0))
    status(job.delete(), 204)


def test_a_second_signal_ends_the_drain_at_once(t):
    for first, second in ((signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)):
        server = t.server({"drain-ms": "60s"})
        job = sleeping_job(t, t.client(server), 60000, 3)
        server.signal(first)
        server.log.wait(r"event=signal", 5)
        began = time.monotonic()
        server.signal(second)
        eq(server.wait(10), 0)
        within(time.monotonic() - began, 0, 3 * t.slow, "seconds")
        job = after_restart(t, server, job)
        got = job.get()
        eq((got["input"]["received"], got["counts"]["succeeded"]), (3, 0))
        status(job.delete(), 204)


def test_followers_and_waiting_uploads_do_not_hold_the_end_up(t):
    server = t.server({"drain-ms": 500})
    api = t.client(server)
    job = sleeping_job(t, api, 60000, 1)
    follower = api.stream(f"{job.path}/results", {"follow": True})
    server.signal(signal.SIGTERM)
    eq(server.wait(10), 0)
    follower.connection.close()
