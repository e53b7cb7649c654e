"""A real Prometheus scrapes a real server, and knows afterwards what was done there."""

from support.leat import *
from prometheus import Prometheus
from test_files import expressions

COUNTS = {'leat_ingest_items_total': 1234,
          'leat_items_done_total{outcome="succeeded"}': 1200,
          'leat_items_done_total{outcome="failed"}': 34,
          'leat_stage_items_in_total{stage="sha256"}': 1234,
          'leat_stage_item_duration_seconds_count{stage="sha256"}': 1234,
          'leat_stage_item_duration_seconds_bucket{stage="sha256",le="+Inf"}': 1234,
          'leat_jobs_done_total{outcome="succeeded"}': 1,
          'leat_http_requests_total{route="/v1/jobs",method="POST",code="201"}': 1,
          'leat_store_healthy': 1, 'leat_admitting': 1}


@timeout(240)
def test_prometheus_knows_what_was_done(t):
    server = t.server()
    api = t.client(server)
    prometheus = Prometheus(t, server.port)
    until(lambda: prometheus.value('up{job="leat"}') == 1, 60 * t.slow, "it scrapes", 0.1)
    job = t.job([{"use": "sha256", "workers": 4, "params": {"field": "text"}}], api=api)
    job.send([{"text": str(n)} for n in range(1200)] + [{"n": n} for n in range(34)], close=True)
    job.wait_done()
    for expr, wanted in COUNTS.items():
        until(lambda expr=expr, wanted=wanted: prometheus.value(expr) == wanted, 60 * t.slow,
              f"{expr} is {wanted}", 0.1)
    types = prometheus.ask("metadata", limit=10000)
    eq({types[name][0]["type"] for name in ("leat_ingest_items_total", "leat_jobs_created_total")},
       {"counter"}, "types")
    eq(types["leat_commit_duration_seconds"][0]["type"], "histogram", "type")
    for where, expr in expressions():
        ok(prometheus.ask("query", query=expr) is not None, f"{where}: no answer to {expr}")
    rules = prometheus.ask("rules")["groups"][0]["rules"]
    ok(len(rules) > 8, f"only {len(rules)} rules")
    until(lambda: {r["health"] for r in prometheus.ask("rules")["groups"][0]["rules"]} == {"ok"},
          60 * t.slow, "every alert was evaluated", 0.1)
    eq([r["name"] for r in prometheus.ask("rules")["groups"][0]["rules"]
        if r["state"] != "inactive"], [], "alerts of a healthy server")
    api.close()
    server.kill()
    until(lambda: prometheus.value('up{job="leat"}') == 0, 60 * t.slow, "it is gone", 0.1)
    until(lambda: any(r["name"] == "LeatDown" and r["state"] == "pending"
                      for r in prometheus.ask("rules")["groups"][0]["rules"]),
          60 * t.slow, "the alert is on its way", 0.1)
