"""Prometheus and promtool as tests use them: started on a free port, asked, ended."""

import json
import os
import signal
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from support.server import Log, die_with_parent

DEPLOY = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                      "deploy")


def program(t, name):
    folder = os.environ.get("PROMETHEUS_FOLDER")
    if not folder:
        t.skip(os.environ.get("PROMETHEUS_MISSING", "run this by tests/metrics/run.py"))
    return os.path.join(folder, name)


def promtool(t, *words, input=None):
    said = subprocess.run([program(t, "promtool"), *words], input=input, timeout=60 * t.slow,
                          capture_output=True, preexec_fn=die_with_parent)
    said.stdout, said.stderr = said.stdout.decode(), said.stderr.decode()
    if said.returncode != 0:
        raise AssertionError(f"promtool {' '.join(words[:2])}: {said.stdout}{said.stderr}")
    return said


class Prometheus:
    """Scrapes the given ports as job `leat`, once a second, under the rules of deploy/."""

    def __init__(self, t, port):
        self.slow = t.slow
        self.folder = tempfile.TemporaryDirectory(prefix="leat-prometheus-")
        config = os.path.join(self.folder.name, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                       "rule_files": [os.path.join(DEPLOY, "prometheus", "alerts.yml")],
                       "scrape_configs": [{"job_name": "leat", "static_configs": [
                           {"targets": [f"127.0.0.1:{port}"]}]}]}, file)
        self.process = subprocess.Popen(
            [program(t, "prometheus"), f"--config.file={config}",
             f"--storage.tsdb.path={self.folder.name}/tsdb", "--web.listen-address=127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            cwd=self.folder.name, preexec_fn=die_with_parent)
        t.cleanup.append(self.end)
        self.log = Log(self.process.stderr)
        found = self.log.wait(r'msg="Listening on" .*address=127\.0\.0\.1:(\d+)', 60 * self.slow)
        if found is None:
            raise AssertionError("prometheus did not start:\n" + self.log.tail())
        self.port = int(found.group(1))

    def ask(self, path, **query):
        """The `data` of an answer of its API; None while it is not ready yet."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=30 * self.slow) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return None
            raise AssertionError(f"{url}: {error.code} {error.read()[:500]!r}") from None

    def values(self, expr):
        """{labels as a frozenset: value} of an instant query."""
        data = self.ask("query", query=expr)
        return {frozenset((k, v) for k, v in row["metric"].items()): float(row["value"][1])
                for row in (data or {"result": []})["result"]}

    def value(self, expr):
        values = list(self.values(expr).values())
        return values[0] if len(values) == 1 else None

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20 * self.slow)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.thread.join(5)
        self.folder.cleanup()
