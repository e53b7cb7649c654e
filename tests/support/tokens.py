"""Tokens of a server under test: made by `leat token`, shown by an Api of their own."""

import os
import subprocess

from .client import Api

SCOPES = ("read", "submit", "operate", "admin")


class Tokens:
    """A file of tokens and a server that has them in force."""

    def __init__(self, t, **options):
        self.t = t
        self.server = t.server(start=False)
        self.path = os.path.join(self.server.folder, "tokens")
        self.server.options.update({"tokens": self.path, **options})

    def run(self, *words, code=0):
        done = subprocess.run([self.t.settings.program, "token", *words, "--tokens", self.path],
                              capture_output=True, text=True, timeout=30 * self.t.slow, check=False)
        assert done.returncode == code, f"leat token {words}: exit {done.returncode}\n{done.stderr}"
        return done.stdout.strip()

    def new(self, name, *scopes, **labels):
        """The token's text."""
        marks = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        return self.run("new", "--name", name, "--scope", ",".join(scopes), *marks)

    def revoke(self, name):
        self.run("revoke", name)

    def start(self):
        self.server.start()
        return self

    def client(self, token):
        """An Api that shows this token with every request; None: it shows none."""
        api = Holder(self.server, token)
        self.t.cleanup.append(api.close)
        return api

    def holder(self, name, *scopes, **labels):
        """A new token and who shows it; before the start, or before a reload()."""
        return self.client(self.new(name, *scopes, **labels))

    def reload(self):
        """SIGHUP, and wait until it was heeded."""
        import signal
        before = sum("event=tokens" in line or "event=not_reloaded" in line
                     for line in self.server.log.lines)
        self.server.signal(signal.SIGHUP)
        from .client import until
        until(lambda: sum("event=tokens" in line or "event=not_reloaded" in line
                          for line in self.server.log.lines) > before,
              20 * self.t.slow, "the tokens are read again")


class Holder(Api):
    """An Api whose every request shows a token."""

    def __init__(self, server, token):
        super().__init__(server)
        self.token = token

    def shown(self, headers):
        mine = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        return {**mine, **(headers or {})}

    def request(self, method, path, body=None, headers=None, query=None, timeout=None):
        return super().request(method, path, body, self.shown(headers), query, timeout)

    def stream(self, path, query=None, headers=None, **more):
        return super().stream(path, query, self.shown(headers), **more)
