"""The checker on histories written by hand: good ones pass, each bad one names its promise."""

import copy

from checker import Broken, check
from support.leat import *

FILTER = {"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 3}}
VALUES = [{"n": 1, "keep": 9, "parts": []}, {"n": 2, "keep": 0, "parts": []},
          {"n": 3, "keep": 5, "parts": []}]


def counts(**more):
    return {"pending": 0, "running": 0, "succeeded": 2, "filtered": 1, "failed": 0, "cancelled": 0,
            "results": 2, **more}


def look(begin, version=3, state="succeeded", received=3, closed="closed", **more):
    return {"begin": begin, "end": begin + 1, "op": "look", "job": "j", "status": 200, "reply": {
        "id": "j", "state": state, "done": state in ("succeeded", "failed", "cancelled"),
        "version": version, "input": {"received": received, "state": closed},
        "counts": counts(**more), "stages": [{"name": "filter", "workers": 1}]}}


def result(cursor, number):
    return {"cursor": cursor, "item": number, "value": VALUES[number]}


def read(begin, items, after=None, whole=False, what="results"):
    return {"begin": begin, "end": begin + 1, "op": "read", "job": "j", "status": 200,
            "what": what, "after": after, "items": items, "whole": whole}


def upload(begin, lines, accepted, status=200):
    return {"begin": begin, "end": begin + 1, "op": "upload", "job": "j", "status": status, "key": "k",
            "lines": lines, "reply": None if status is None else {
                "accepted": accepted, "duplicates": lines - accepted, "rejected": 0,
                "next_offset": lines}}


def good():
    return [
        {"begin": 1, "end": 2, "op": "create", "job": "j", "status": 201,
         "definition": {"stages": [FILTER], "order": "input"}},
        {"begin": 3, "end": 4, "op": "body", "job": "j", "status": 200, "key": "k",
         "values": VALUES},
        upload(5, 2, 2),
        look(7, 1, "running", 2, "open", succeeded=1, filtered=1, results=1),
        read(9, [result("a", 0)]),
        upload(11, 3, 1, status=None),
        upload(13, 3, 0),
        {"begin": 15, "end": 16, "op": "act", "job": "j", "status": 200, "verb": "close"},
        read(17, [result("b", 2)], after="a"),
        look(19),
        read(21, [result("a", 0), result("b", 2)], whole=True),
        read(23, [], what="failures", whole=True),
    ]


def breaks(promise, change):
    history = copy.deepcopy(good())
    change(history)
    try:
        check(history)
    except Broken as broken:
        eq(broken.promise, promise, "the promise")
        return
    raise AssertionError(f"nothing is wrong with it, but: {promise}")


def test_a_good_history_passes(t):
    check(good())


def test_what_is_unknown_may_have_happened_or_not(t):
    history = good()
    del history[6]  # then line 3 was never acknowledged
    check(history)
    history = [e for e in history if e["op"] != "read" or e["what"] == "failures"]
    history.append(read(25, [result("a", 0)], whole=True))
    history = [e for e in history if e["op"] != "look"]
    history.append(look(27, 4, received=2, succeeded=1, results=1))
    check(history)


def test_each_promise_has_a_history_that_breaks_it(t):
    def add(*events):
        return lambda h: h.extend(events)

    def shown(**more):
        return lambda h: h[9]["reply"]["counts"].update(more)

    breaks("received is the sum of the fates", shown(filtered=2))
    breaks("no count is negative", shown(filtered=2, failed=-1))
    breaks("nothing is under way in a job that is done", shown(succeeded=1, running=1))
    breaks("succeeded never falls", add(look(30, 4, succeeded=1, filtered=2)))
    breaks("received never falls", lambda h: (h[3]["reply"]["input"].update(received=4),
                                              h[3]["reply"]["counts"].update(pending=2)))
    breaks("a closed input stays closed", add(look(30, 4, closed="open")))
    breaks("a last state stays", add(look(30, 4, "running")))
    breaks("the version never falls", add(look(30, 2)))
    breaks("what is different has another version", add(look(30, 3, results=3)))
    breaks("an upload's reply adds up", lambda h: h[2]["reply"].update(duplicates=1))
    breaks("200 means that the whole body was taken", lambda h: h[6]["reply"].update(next_offset=2))
    breaks("next_offset is not beyond what was sent", lambda h: h[6]["reply"].update(next_offset=4))
    breaks("next_offset never falls", add({"begin": 30, "end": 31, "op": "offset", "job": "j",
                                           "status": 200, "key": "k", "next_offset": 1}))
    breaks("what was acknowledged is there", lambda h: h.insert(
        7, look(15, 2, "running", 2, "open", succeeded=1, results=1)))
    breaks("behind a cursor stands one result, for ever", add(read(30, [result("b", 2)])))
    breaks("a result descends from an item that was sent", lambda h: h[10]["items"].append(
        {"cursor": "c", "item": 3, "value": {"n": 7}}))
    breaks("a result is what the stages make of its item", lambda h: h[10]["items"].append(
        {"cursor": "c", "item": 1, "value": VALUES[1]}))
    breaks("no result stands twice", lambda h: h[10]["items"].append(result("c", 2)))
    breaks("what was acknowledged ends exactly once", lambda h: (
        h.pop(8), h[9]["items"].pop()))
    breaks("a number is one item's", lambda h: [e["items"][-1].update(item=0)
                                                for e in (h[8], h[10])])
    breaks("results stand in the order of their items", lambda h: [
        e["items"][0].update(item=5) for e in (h[4], h[10])])
    breaks("counts.results is what can be read", shown(results=5))
    breaks("counts.succeeded is what there is", shown(succeeded=1, filtered=2))
    breaks("a failure is what the stages make of its item", lambda h: h[11]["items"].append(
        {"cursor": "f", "item": 0, "stage": "filter", "input": VALUES[0]}))
    breaks("a closed input is closed",
           lambda h: h[9]["reply"]["input"].update(state="open"))


def test_orders_are_held_against_what_is_shown(t):
    def act(begin, verb, status=200):
        return {"begin": begin, "end": begin + 1, "op": "act", "job": "j", "status": status,
                "verb": verb}

    patch = {"begin": 5, "end": 6, "op": "patch", "job": "j", "status": 200, "stage": "filter",
             "workers": 4}
    base = good()[:2]
    running = look(9, 1, "running", 0, "open", succeeded=0, filtered=0, results=0)
    for events, promise in (([patch, running], "workers are as ordered"),
                            ([act(5, "pause"), running], "a paused job is paused"),
                            ([{**act(5, ""), "op": "delete", "status": 204}, running],
                             "a deleted job is gone")):
        try:
            check(base + events)
        except Broken as broken:
            eq(broken.promise, promise, "the promise")
        else:
            raise AssertionError(f"nothing is wrong with it, but: {promise}")
    check(base + [act(5, "pause"), act(7, "resume", None), running])
