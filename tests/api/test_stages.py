"""The built-in stages through the whole program, against their model; sources and sinks."""

from support.leat import *


def agrees(t, stages, values, **more):
    """Results in order, failures and counts are the model's."""
    job = t.job(stages, order="input", **more)
    job.send(values, close=True)
    job.wait_done()
    expected = model.run(stages, values)
    same_list(job.results(), expected.values)
    same_multiset([[f["item"], f["stage"], f["kind"]] for f in job.failures()],
                  [[f["item"], f["stage"], f["kind"]] for f in expected.failures], "failures")
    counts = job.get()["counts"]
    eq({n: counts[n] for n in expected.counts()}, expected.counts(), "counts")
    return job


def test_pass(t):
    agrees(t, [{"use": "pass"}], items.STRANGE)


def test_fail_by_item_number(t):
    for every in (1, 2, 7):
        agrees(t, [{"use": "fail", "params": {"every": every}, "workers": 3}], numbers(50))


def test_fail_behind_a_filter_still_goes_by_item_number(t):
    agrees(t, [{"use": "filter", "params": {"pointer": "/n", "op": "gt", "value": 10}},
               {"use": "fail", "params": {"every": 4}}], numbers(50))


def test_sha256_of_texts(t):
    values = [{"text": value} for value in ("", "abc", "é日本🜁", "a\nb\"c\\", "\u0000", "x" * 100000)]
    agrees(t, [{"use": "sha256", "params": {"field": "text"}}], values)


def test_sha256_replaces_what_stood_in_into(t):
    agrees(t, [{"use": "sha256", "params": {"field": "/a", "into": "a"}}], [{"a": "x", "b": 1}])


def test_sha256_fails_where_there_is_no_string(t):
    agrees(t, [{"use": "sha256", "params": {"field": "text"}}],
           [{"text": 1}, {"text": None}, {}, [], "text", {"text": "good"}, 5])


def test_pick_renames_by_pointer(t):
    values = items.orders(30) + [{"customer": {}}, {}]
    agrees(t, [{"use": "pick", "params": {"fields": {"who": "/customer/name", "n": "/id",
                                                    "first": "/tags/0"}}}], values)


def test_pick_of_a_list_keeps_names(t):
    agrees(t, [{"use": "pick", "params": {"fields": ["id", "/customer/city"]}}], items.orders(10))


def test_pointers_are_escaped(t):
    agrees(t, [{"use": "pick", "params": {"fields": {"x": "/a~1b", "y": "/c~0d", "z": "/"}}}],
           [{"a/b": 1, "c~d": 2, "": 3}])


def test_filter_with_every_operator(t):
    values = [{"v": v} for v in (0, 1, 5, 5.0, 5.5, -3, "5", "mill", "", None, True, [], {})] + [{}]
    rows = [("exists", None), ("eq", 5), ("ne", 5), ("lt", 5), ("le", 5), ("gt", 1), ("ge", 5),
            ("eq", "mill"), ("eq", None), ("eq", True), ("lt", "n"), ("ge", "5"),
            ("matches", "^m.*l$"), ("matches", "")]
    for op, value in rows:
        params = {"pointer": "/v", "op": op}
        if op != "exists":
            params["value"] = value
        agrees(t, [{"use": "filter", "params": params}], values)


def test_explode_makes_items_of_an_array(t):
    values = items.mixed(50) + [{"parts": []}, {"parts": [1, "x", None, [2], {"a": 3}]}]
    agrees(t, [{"use": "explode", "params": {"field": "parts"}}], values)


def test_explode_of_no_array_fails(t):
    agrees(t, [{"use": "explode", "params": {"field": "parts"}}],
           [{"parts": 1}, {}, {"parts": None}, 7])


def test_explode_of_an_array_of_10000(t):
    agrees(t, [{"use": "explode", "params": {"field": "a"}}, {"use": "pass", "workers": 2,
               "queue": {"items": 10}}], [{"a": list(range(10000))}, {"a": [1]}])


def test_sleep_takes_its_time(t):
    job = t.job([{"use": "sleep", "params": {"ms": 50}, "workers": 4}])
    started = time.monotonic()
    job.send(numbers(20), close=True)
    job.wait_done()
    within(time.monotonic() - started, 0.25, 1.5 * t.slow, "seconds for 5 rounds of 50 ms")


def test_a_long_pipeline(t):
    stages = [{"use": "filter", "params": {"pointer": "/keep", "op": "lt", "value": 8}},
              {"use": "sha256", "params": {"field": "text"}, "workers": 3},
              {"use": "explode", "params": {"field": "parts"}, "workers": 2},
              {"use": "filter", "name": "heavy", "params": {"pointer": "/w", "op": "gt",
                                                            "value": 10}},
              {"use": "pick", "params": {"fields": {"i": "/id", "p": "/part"}}, "workers": 4},
              {"use": "pass"}, {"use": "pass", "workers": 2}]
    agrees(t, stages, items.mixed(1000))


def test_the_example_stage_orders(t):
    if t.settings.examples is None:
        t.skip("no --examples folder was given")
    if t.api.get("/v1/stages/orders").status == 404:
        t.skip("the examples folder holds no stage `orders`")
    values = items.orders(500)
    stages = [{"use": "orders", "params": {"rounds": 3}, "workers": 2}]
    job = t.job(stages, order="input")
    job.send(values, close=True)
    job.wait_done()
    expected = model.run(stages, values).values
    got = job.results()
    eq([[v["id"], v["sha"]] for v in got], [[v["id"], v["sha"]] for v in expected], "id and sha")
    ok(all(abs(a["total"] - b["total"]) < 1e-6 for a, b in zip(got, expected)), "totals")


# -- sources and sinks ------------------------------------------------------------------------


def source(first, last, template=None):
    params = {"from": first, "to": last}
    if template is not None:
        params["template"] = template
    return {"use": "range", "params": params}


def test_a_source_feeds_and_closes_the_job(t):
    job = t.job([source(0, 500, {"n": "$i"}), "pass"], order="input")
    done = job.wait_done()
    eq(done["input"]["state"], "closed", "input.state")
    same_list(job.results(), [model.filled({"n": "$i"}, n) for n in range(0, 500)])
    eq(done["counts"]["total"], 500, "total")


def test_a_source_without_a_template_makes_numbers(t):
    job = t.job([source(-3, 4)], order="input")
    job.wait_done()
    eq(job.results(), list(range(-3, 4)), "numbers")


def test_a_source_of_nothing_is_done_at_once(t):
    job = t.job([source(5, 5), "pass"])
    eq(job.wait_done()["counts"]["total"], 0, "total")


def test_a_source_alone_is_a_pipeline(t):
    job = t.job([source(3, 10, {"n": "$i"})], order="input")
    job.wait_done()
    eq([v["n"] for v in job.results()], list(range(3, 10)), "numbers")


def test_a_job_with_a_source_takes_no_items(t):
    job = t.job([source(0, 10 ** 9), {"use": "sleep", "params": {"ms": 100}}])
    reply = job.upload(b"1\n")
    eq(reply.status, 409, "status of an upload into a job with a source")


def test_a_source_is_held_back_by_a_slow_stage(t):
    job = t.job([source(0, 10 ** 9, {"n": "$i", "pad": "x" * 500}),
                 {"use": "sleep", "params": {"ms": 50}, "queue": {"items": 5}}],
                backlog={"bytes": 1 << 20})
    job.wait(lambda j: j["counts"]["succeeded"] >= 3, what="three items")
    backlog = job.get()["backlog"]
    ok(backlog["bytes"] <= 1.25 * (1 << 20), f"backlog {backlog}")


def test_a_source_scales_the_middle(t):
    job = t.job([source(0, 3000, {"n": "$i", "text": "t$i"}),
                 {"use": "sha256", "params": {"field": "text"}, "workers": 8}], order="input")
    job.wait_done()
    values = [{"n": n, "text": f"t{n}"} for n in range(3000)]
    same_list(job.results(), model.run([{"use": "sha256", "params": {"field": "text"}}],
                                       values).values)


def reports(t, params, values, stages=()):
    """The report of a job that ends in this aggregate is the model's."""
    job = t.job([*stages, {"use": "aggregate", "params": params}])
    job.send(values, close=True)
    eq(job.wait_done()["report"], model.aggregate(params, values), "report")
    return job


def test_aggregate_reports_over_all(t):
    job = reports(t, {"field": "/qty"}, items.orders(3000), [{"use": "pass", "workers": 2}])
    eq(job.raw_results(), b"", "a sink leaves no results")
    eq(job.get()["counts"]["succeeded"], 3000, "succeeded")


def test_aggregate_reports_by_group(t):
    reports(t, {"field": "qty", "by": "/customer/city"}, items.orders(3000))


def test_aggregate_counts_without_a_field(t):
    reports(t, {}, items.STRANGE)
    reports(t, {"by": "/keep"}, items.mixed(500))


def test_aggregate_of_nothing(t):
    reports(t, {"field": "a"}, [])


def test_aggregate_adds_large_numbers_exactly(t):
    reports(t, {"field": "n"}, [{"n": 2 ** 53 + n} for n in range(1000)])


def test_an_item_that_aggregate_cannot_add_fails(t):
    job = t.job([{"use": "aggregate", "params": {"field": "n"}}])
    job.send([{"n": 1}, {"n": "2"}, {"n": 4}], close=True)
    done = job.wait_done()
    eq((done["report"]["sum"], done["counts"]["failed"]), (5, 1), "sum and failed")
    eq([f["item"] for f in job.failures()], [1], "failures")


def test_source_and_sink_in_one_job(t):
    job = t.job([source(1, 1001, {"n": "$i"}), {"use": "pass", "workers": 3},
                 {"use": "aggregate", "params": {"field": "/n"}}])
    report = job.wait_done()["report"]
    eq((report["count"], report["sum"]), (1000, 500500), "report")
