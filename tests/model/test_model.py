"""Random runs: no promise is broken, and each planted bug breaks one."""

from checker import Broken, check
from driver import Run
from support.leat import *

LOGS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                    "build", "logs")


def judged(t, seed, kills=3, plant=None, **more):
    """The promise that the run broke, None when it kept all; and how many events it was."""
    env = {"LEAT_FAULT_PLANT": plant} if plant else None
    run = Run(t.server(start=False, env=env), seed, kills, **more)
    history = run.run()
    run.server.stop()
    run.server.remove()
    try:
        check(history.events)
    except Broken as broken:
        return broken, history
    return None, history


def keep(history, seed):
    os.makedirs(LOGS, exist_ok=True)
    path = os.path.join(LOGS, f"history-{seed}.ndjson")
    history.write(path)
    return path


def many(t, first, count):
    events = 0
    for seed in range(first, first + count):
        broken, history = judged(t, seed)
        events += len(history.events)
        if broken:
            raise AssertionError(f"seed {seed}: {broken} (history: {keep(history, seed)})")
    t.note(f"{count} runs from seed {first}: {events} events")


def rounds(t):
    return t.settings.rounds or (4 if t.quick or t.slow > 1 else 60)


@timeout(1500)
def test_no_promise_is_broken(t):
    many(t, t.settings.seed or 1000, rounds(t))


@timeout(1500)
def test_no_promise_is_broken_elsewhere(t):
    many(t, (t.settings.seed or 1000) + 500000, rounds(t))


def found(t, plant, promises, tries=8, **more):
    """The checker must name one of these promises within so many runs, unless the bug keeps a
    job from its end, which shows it just as well."""
    if not proc.mentions(t.settings.program, "LEAT_FAULT_PLANT"):
        t.skip("the program was not built with -Dfaults=true")
    for seed in range(tries):
        try:
            broken, _ = judged(t, seed, 2, plant, patience=7, **more)
        except AssertionError as error:  # it did not even come to its end
            broken = Broken("every job ends", error)
        if broken:
            t.note(f"run {seed + 1}: {str(broken)[:160]}")
            ok(broken.promise in {*promises, "every job ends"}, f"found as {broken.promise!r}")
            return
    raise AssertionError(f"{tries} runs with {plant} kept every promise")


@timeout(300)
def test_a_forgotten_key_is_found(t):
    found(t, "key-forgotten", {"next_offset never falls", "no result stands twice", "an item has one number",
                               "an item fails once", "counts.filtered is what there is",
                               "received is the sum of the fates",
                               "the lines of a body have rising numbers"})


@timeout(300)
def test_an_item_that_is_not_marked_as_done_is_found(t):
    found(t, "unmarked", {"no result stands twice", "an item fails once",
                          "received is the sum of the fates", "no count is negative",
                          "a cursor comes once", "counts.filtered is what there is",
                          "results stand in the order of their items"})


@timeout(300)
def test_lost_results_are_found(t):
    found(t, "lost-results", {"what was acknowledged ends exactly once",
                              "behind a cursor stands one result, for ever",
                              "counts.results is what can be read"})


@timeout(300)
def test_results_out_of_order_are_found(t):
    found(t, "unordered", {"results stand in the order of their items"})


@timeout(300)
def test_a_wrong_count_is_found(t):
    found(t, "counted-twice", {"received is the sum of the fates", "no count is negative",
                               "counts.filtered is what there is", "every job ends"})


@timeout(300)
def test_a_cursor_that_skips_is_found(t):
    found(t, "cursor-skips", {"behind a cursor stands one result, for ever",
                              "what was acknowledged ends exactly once",
                              "counts.results is what can be read"})


@timeout(300)
def test_items_that_a_cancel_forgets_are_found(t):
    found(t, "cancel-forgets", {"received is the sum of the fates",
                                "nothing is under way in a job that is done"}, cancels=1, slow=True)
