"""The four ways a stage may run: serial, parallel, blocking, async."""

import shutil
import tempfile

from support.leat import *


def doze(ms, workers, **more):
    return {"use": "doze", "params": {"ms": ms}, "workers": workers, **more}


def test_a_serial_stage_is_never_entered_twice(t):
    t.need_modules()
    job = t.job(["pass", {"use": "entered", "workers": 8}, {"use": "pass", "workers": 4}])
    job.send(numbers(3000), close=True)
    eq(job.wait_done()["counts"]["succeeded"], 3000, "succeeded")


def test_a_blocking_stage_gets_as_many_threads_as_workers(t):
    t.need_modules()
    job = t.job([doze(100, 10)])
    started = time.monotonic()
    job.send(numbers(50), close=True)
    done = job.wait_done()
    within(time.monotonic() - started, 0.45, 2.5 * t.slow, "seconds for 5 rounds of 100 ms")
    eq((done["counts"]["succeeded"], done["counts"]["failed"]), (50, 0), "succeeded and failed")
    ok(len({r["worker"] for r in job.results()}) > 1, "one worker did it all")


def test_blocking_workers_do_not_hold_up_other_jobs(t):
    t.need_modules()
    job = t.job([doze(60000, 40)])
    job.send(numbers(40))
    job.wait(lambda j: j["stages"][0]["busy"] == 40, what="forty are busy")
    other = t.job([{"use": "sha256", "params": {"field": "text"}, "workers": 4}])
    other.send(texts(2000), close=True)
    other.wait_done(timeout=5)
    job.must("cancel")
    job.wait_done("cancelled", timeout=3)


def test_patch_of_blocking_workers_is_live(t):
    t.need_modules()
    job = t.job([doze(50, 2)])
    job.send(numbers(2000))
    job.wait(lambda j: j["stages"][0]["busy"] == 2, what="two are busy")
    job.workers("doze", 12)
    job.wait(lambda j: j["stages"][0]["busy"] == 12, 2, "twelve are busy")
    job.workers("doze", 1)
    job.wait(lambda j: j["stages"][0]["busy"] == 1, 2, "one is busy")
    eq(job.get()["counts"]["failed"], 0, "failed")
    job.must("cancel")


def test_a_timeout_of_a_blocking_stage_is_decided_at_its_time(t):
    """The thread cannot be ended; the item's fate does not wait for it."""
    t.need_modules()
    job = t.job([{"use": "deaf", "params": {"ms": 4000}, "timeout_ms": 100, "workers": 4,
                  "retry": {"attempts": 1}}])
    started = time.monotonic()
    job.send(numbers(4))
    job.wait(lambda j: j["counts"]["failed"] == 4, 3, "four have failed")
    ok(time.monotonic() - started < 2.5 * t.slow, "the timeout came late")
    eq({f["kind"] for f in job.failures()}, {"timeout"}, "kinds")
    job.must("close")
    job.wait_done(timeout=20)
    eq(job.results(), [], "results of items that had timed out")


def test_order_input_through_all_four(t):
    t.need_modules()
    values = texts(300)
    job = t.job([{"use": "sleep", "params": {"ms": 0, "jitter_ms": 5}, "workers": 8},
                 {"use": "entered", "workers": 4},
                 {"use": "sha256", "params": {"field": "text"}, "workers": 4},
                 {"use": "gate", "params": {"file": "/nonexistent/gate"}, "workers": 2}],
                order="input")
    job.send(values, close=True)
    job.wait_done()
    same_list(job.results(), model.run([{"use": "sha256", "params": {"field": "text"}}],
                                       values).values)


def test_modules_are_listed_with_their_threads(t):
    t.need_modules()
    for name, threads in (("gate", "parallel"), ("entered", "serial"), ("doze", "blocking")):
        stage = status(t.api.get(f"/v1/stages/{name}"), 200).json()
        eq(stage["threads"], threads, f"threads of {name}")


def test_a_folder_with_a_broken_module_still_serves(t):
    folder = tempfile.mkdtemp(prefix="leat-broken-")
    t.cleanup.append(lambda: shutil.rmtree(folder))
    with open(os.path.join(folder, "broken.so"), "wb") as file:
        file.write(b"this is no ELF file")
    server = Server(t.settings.program, stages=[folder], slow=t.slow)
    t.cleanup.append(server.remove)
    server.start()
    status(t.client(server).get("/v1/stages/pass"), 200)
    ok(server.log.wait(r"broken\.so", 5), "no word about the broken module")
    server.stop()


def test_an_async_worker_may_have_many_items_in_hand(t):
    t.need_modules()
    job = t.job([{"use": "together", "workers": 2, "params": {"each": 8}}])
    job.send(numbers(48), close=True)
    job.wait_done()
    eq(job.results(), [16] * 48)


def test_more_workers_have_more_in_hand_at_once(t):
    """Nobody lets go before the count of workers is changed."""
    t.need_modules()
    job = t.job([{"use": "together", "name": "t", "workers": 2, "params": {"each": 4}}])
    job.send(numbers(7))
    job.wait(lambda j: j["stages"][0]["busy"] == 2, 10, "both are busy")
    status(job.api.request("PATCH", job.path, {"stages": {"t": {"workers": 5}}}), 200)
    job.send(numbers(13), close=True)
    job.wait_done()
    eq(job.results(), [20] * 20)
