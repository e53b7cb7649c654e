"""Processes over time: on demand, warm, shared, rescaled, restarted, and gone with the server."""

from programs import *

PID = "for x in lines(): say([x, os.getpid()])\n"
SLOW_PID = "for x in lines():\n    time.sleep(0.002)\n    say([x, os.getpid()])\n"


def pids(job):
    return {pid for _, pid in job.results()}


def test_nothing_runs_before_there_is_an_item(t):
    programs, api = one(t, PID)
    job = t.job(["mine"], api=api)
    eq(programs.alive(), [])
    job.send([1], close=True)
    job.wait_done()
    eq(set(programs.alive()), pids(job))


def test_jobs_with_the_same_parameters_share_warm_processes(t):
    programs = Programs(t).add("mine", PID, params={"a": {"type": "integer", "default": 1}})
    api = programs.serve()
    first = run(t, api, [1])
    second = run(t, api, [2])
    third = run(t, api, [3], {"params": {"a": 1}})
    other = run(t, api, [4], {"params": {"a": 2}})
    eq(pids(first), pids(second))
    eq(pids(first), pids(third))
    eq(pids(first) & pids(other), set())
    eq(set(programs.alive()), pids(first) | pids(other))


def test_idle_processes_end(t):
    programs, api = one(t, PID, idle_ms=50)
    job = run(t, api, list(range(100)), {"workers": 3})
    programs.wait_gone("idle processes have ended")
    eq(len(job.results()), 100)
    eq(len(run(t, api, [1]).results()), 1)
    all_reaped(t, api.server)


def test_workers_are_processes(t):
    programs, api = one(t, SLOW_PID)
    job = run(t, api, list(range(1500)), {"workers": 4})
    eq(len(pids(job)), 4, "processes")
    eq(len(programs.alive()), 4, "alive")


def test_workers_change_while_it_runs(t):
    programs, api = one(t, SLOW_PID)
    job = t.job([{"use": "mine", "workers": 1}], api=api)
    job.send(list(range(2500)), close=True)
    job.wait(lambda j: j["counts"]["succeeded"] >= 50)
    eq(len(programs.alive()), 1, "processes of one worker")
    job.workers("mine", 5)
    until(lambda: len(programs.alive()) == 5, 20 * t.slow, "five processes")
    eq(job.get()["stages"][0]["workers"], 5)
    within(job.get()["stages"][0]["busy"], 0, 5, "busy")
    job.workers("mine", 2)
    job.wait_done(timeout=60)
    same_multiset([x for x, _ in job.results()], list(range(2500)))


def test_pause_holds_and_resume_goes_on(t):
    _, api = one(t, SLOW_PID)
    job = t.job([{"use": "mine", "workers": 2}], api=api)
    job.send(list(range(800)), close=True)
    job.wait(lambda j: j["counts"]["succeeded"] >= 20)
    job.must("pause")
    job.wait(lambda j: j["state"] == "paused" and j["counts"]["running"] == 0)
    job.must("resume")
    job.wait_done()
    same_multiset([x for x, _ in job.results()], list(range(800)))


def test_cancel_in_the_middle_leaves_the_rest_alone(t):
    _, api = one(t, SLOW_PID)
    other = t.job([{"use": "mine", "workers": 2}], api=api)
    other.send(list(range(500)), close=True)
    job = t.job([{"use": "mine", "workers": 2}], api=api)
    job.send(list(range(5000)), close=True)
    job.wait(lambda j: j["counts"]["succeeded"] >= 10)
    job.must("cancel")
    job.wait_done("cancelled")
    other.wait_done()
    same_multiset([x for x, _ in other.results()], list(range(500)))


def test_a_hundred_restarts_leak_nothing(t):
    programs = Programs(t).add("mine", argv=["sh", "-c", 'IFS= read -r line && printf "%s\\n" "$line"'])
    api = programs.serve()
    retry = {"retry": {"attempts": 100, "backoff_ms": 1, "max_backoff_ms": 10}}
    run(t, api, list(range(5)), retry)
    before = descriptors(api.server.pid)
    job = run(t, api, list(range(100)), retry, timeout=100)
    same_multiset(job.results(), list(range(100)))
    until(lambda: descriptors(api.server.pid) <= before + 4, 20 * t.slow,
          f"descriptors come down to {before}")
    all_reaped(t, api.server)


test_a_hundred_restarts_leak_nothing.timeout = 120


def test_what_a_process_leaves_behind_goes_with_it(t):
    programs, api = one(t, "import subprocess\n"
                           "subprocess.Popen(['sleep', '1000'])\n"
                           "for x in lines(): say(x)\n", idle_ms=20)
    eq(run(t, api, [1]).results(), [1])
    programs.wait_gone("the program and its own children have ended")


def test_the_end_of_the_server_is_the_end_of_its_processes(t):
    programs, api = one(t, "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                           "for x in lines(): say(x)\n"
                           "while x != 'good': time.sleep(1)\n", kill_ms=100)
    eq(run(t, api, ["bad"]).results(), ["bad"])
    eq(len(programs.alive()), 1)
    api.close()
    api.server.stop()
    eq(programs.alive(), [])


def test_a_process_sees_the_end_of_its_input(t):
    programs, api = one(t, "for x in lines(): say(x)\n"
                           "open(os.path.join(os.environ['HERE'], 'ended'), 'w').close()\n", kill_ms=20000)
    eq(run(t, api, [1]).results(), [1])
    api.close()
    api.server.stop()
    ok(os.path.exists(programs.path("ended")), "it was killed")


@timeout(90)
def test_kill_9_loses_and_doubles_nothing_and_leaves_no_process(t):
    programs = Programs(t).add("mine", SLOW_PID)
    programs.add("framed", "for item, attempt, x in frames():\n"
                           "    if attempt: emit(item, x)\n", protocol="framed")
    api = programs.serve()
    job = t.job([{"use": "mine", "workers": 3}, {"use": "framed", "workers": 2}], api=api)
    job.send(list(range(3000)), close=True)
    for least in (300, 1200):
        job.wait(lambda j: j["counts"]["succeeded"] >= least)
        api.close()
        api.server.kill()
        programs.wait_gone("the server's processes have died with it")
        api.server.start()
    job.wait_done(timeout=60)
    same_multiset([x for x, _ in job.results()], list(range(3000)))


def test_a_process_that_ignores_the_end_dies_with_a_killed_server(t):
    programs, api = one(t, "for x in lines(): say(x)\nwhile True: time.sleep(1)\n")
    job = t.job(["mine"], api=api)
    job.send([1])
    job.wait(lambda j: j["counts"]["succeeded"] == 1)
    eq(len(programs.alive()), 1)
    api.close()
    api.server.kill()
    programs.wait_gone("it has died with the server")
    api.server.start()
