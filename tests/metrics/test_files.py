"""deploy/: alerts, dashboard and Prometheus' configuration speak of metrics that exist."""

import re
import tempfile

from support.leat import *
from support.metrics import scrape
from prometheus import DEPLOY, promtool

NAME = re.compile(r"\b(?:leat|process)_[a-z_]+\b")
RUNBOOK = os.path.join(os.path.dirname(DEPLOY), "docs", "operations.md")


def dashboard():
    with open(os.path.join(DEPLOY, "grafana", "leat.json"), encoding="utf-8") as file:
        return json.load(file)


def panels():
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions():
    """Of the dashboard, as (where, expression); Grafana's variables filled in."""
    found = [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    found += [(note["name"], note["expr"]) for note in dashboard()["annotations"]["list"]]
    return [(where, expr.replace("$__rate_interval", "1m").replace("$instance", ".*")
             .replace("$job", ".*")) for where, expr in found]


def alert_text():
    with open(os.path.join(DEPLOY, "prometheus", "alerts.yml"), encoding="utf-8") as file:
        return file.read()


def names_in(expr):
    """Metric names, not those of labels or what stands in quotes."""
    return set(NAME.findall(re.sub(r'"[^"]*"', '""', expr)))


def test_every_expression_of_the_dashboard_uses_metrics_that_exist(t):
    known = scrape(t.api).names()
    ok(len(expressions()) > 30, f"only {len(expressions())} expressions")
    for where, expr in expressions():
        ok("$" not in expr, f"{where}: a variable that nobody fills in: {expr}")
        ok(names_in(expr), f"{where}: no metric in {expr}")
        ok(names_in(expr) <= known, f"{where}: there is no {names_in(expr) - known}")


def test_every_alert_uses_metrics_that_exist(t):
    known = scrape(t.api).names()
    body = "\n".join(line for line in alert_text().splitlines()
                     if not line.lstrip().startswith(("#", "summary", "runbook")))
    names = names_in(body)
    ok(len(names) > 10, f"only {names}")
    ok(names <= known, f"there is no {names - known}")


def test_labels_of_the_expressions_exist(t):
    job = t.job(["pass"])
    job.send([1], close=True)
    job.wait_done()
    m = scrape(t.api)
    labels = {name for _, pairs in m.values for name, _ in pairs} | {"instance", "job", "le"}
    for where, expr in expressions() + [("alerts", alert_text())]:
        for group in re.findall(r"by \(([^)]*)\)", expr):
            used = {word.strip() for word in group.split(",")}
            ok(used <= labels, f"{where}: there is no label {used - labels}")
        for group in re.findall(r"\{([^{}]*)\}", expr):
            used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", group))
            ok(used <= labels, f"{where}: there is no label {used - labels}")


def test_the_dashboard_is_whole(t):
    board = dashboard()
    ids = [panel["id"] for panel in board["panels"]]
    eq(len(ids), len(set(ids)), "panels with ids of their own")
    cells = set()
    for panel in board["panels"]:
        grid = panel["gridPos"]
        within(grid["x"] + grid["w"], 1, 24, f"right edge of {panel['title']}")
        mine = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"])
                for y in range(grid["y"], grid["y"] + grid["h"])}
        ok(not mine & cells, f"{panel['title']} lies on another panel")
        cells |= mine
    for panel in panels():
        ok(panel["title"], f"panel {panel['id']} without a title")
        refs = [target["refId"] for target in panel["targets"]]
        eq(len(refs), len(set(refs)), f"refIds of {panel['title']}")
        for target in panel["targets"]:
            eq(target["datasource"]["uid"], "${datasource}", f"data source of {panel['title']}")
    eq([v["name"] for v in board["templating"]["list"]], ["datasource", "job", "instance"],
       "variables")


def test_every_alert_says_what_to_do(t):
    with open(RUNBOOK, encoding="utf-8") as file:
        headings = {line.lstrip("#").strip().lower() for line in file if line.startswith("#")}
    alerts = re.findall(r"- alert: (\w+)", alert_text())
    ok(len(alerts) > 8, f"only {alerts}")
    runbooks = re.findall(r'runbook: "docs/operations\.md#(\w+)"', alert_text())
    eq(runbooks, [name.lower() for name in alerts], "runbooks")
    for name in alerts:
        ok(name.lower() in headings, f"docs/operations.md has no heading {name}")


def test_every_alert_is_tried_both_ways(t):
    with open(os.path.join(os.path.dirname(__file__), "alerts_test.yml"), encoding="utf-8") as file:
        tried = file.read()
    for name in re.findall(r"- alert: (\w+)", alert_text()):
        ok(re.search(rf"\{{ eval_time: \w+, alertname: {name} \}}", tried), f"{name} is never silent")
        ok(re.search(rf"alertname: {name}\n\s+exp_alerts:", tried), f"{name} is never raised")


def test_promtool_accepts_what_the_server_says(t):
    job = t.job([{"use": "sha256", "params": {"field": "text"}}, "pass"])
    job.send([{"text": "x"}] * 100 + [{}], close=True)
    job.wait_done()
    job.results()
    text = t.api.get("/metrics").body
    said = promtool(t, "check", "metrics", input=text)
    eq(said.stdout.strip() + said.stderr.strip(), "", "what promtool finds to say")


def test_promtool_accepts_configuration_and_alerts(t):
    promtool(t, "check", "config", os.path.join(DEPLOY, "prometheus", "prometheus.yml"))
    promtool(t, "check", "rules", os.path.join(DEPLOY, "prometheus", "alerts.yml"))


def test_alerts_are_raised_when_they_should_be_and_not_else(t):
    promtool(t, "test", "rules", os.path.join(os.path.dirname(__file__), "alerts_test.yml"))


def test_promtool_understands_every_expression_of_the_dashboard(t):
    rules = [{"record": f"x{at}", "expr": expr} for at, (_, expr) in enumerate(expressions())]
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)  # JSON is YAML
        file.flush()
        promtool(t, "check", "rules", file.name)
