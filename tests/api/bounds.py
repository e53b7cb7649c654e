"""What the tests of bounds share: servers with settings, refusals, tokens."""

import contextlib
import hmac
import shutil
import tempfile

from support.leat import *
from support.metrics import Metrics

MIB = 1 << 20


def own(t, **options):
    return t.client(t.server({name.replace("_", "-"): value for name, value in options.items()}))


def scrape(api):
    return Metrics(api.get("/metrics").body.decode())


def counted(t, api, name, least=1, **labels):
    """Waits for a metric to have come that far."""
    return until(lambda: (n := scrape(api)(name, **labels)) >= least and n, 30 * t.slow,
                 f"{name} {labels} reaches {least}", 0.1)


def busy(reply, key):
    body = problem(reply, 503, "too-busy")
    ok(key in body["detail"], f"the detail does not name {key}: {body['detail']}")
    ok(int(reply.headers["retry-after"]) >= 1, "Retry-After")
    return body


def ends(connection, timeout):
    """The bytes that still come until the server closes; a reset is an end, too."""
    connection.socket.settimeout(timeout)
    rest = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while data := connection.socket.recv(1 << 16):
            rest += data
    return rest


def counted_down(t, api, to):
    until(lambda: scrape(api)("leat_http_connections") <= to, 20 * t.slow, "they are gone", 0.1)


class Token:
    """A line of a tokens file, and the token itself."""

    def __init__(self, name, *scopes):
        self.name, self.scopes = name, scopes
        self.id = os.urandom(6).hex()
        self.text = f"leat_{self.id}_" + os.urandom(32).hex()[:43]
        self.headers = {"Authorization": f"Bearer {self.text}"}

    def line(self):
        salt = os.urandom(16)
        digest = hmac.new(salt, self.text.encode(), "sha256").hexdigest()
        return json.dumps({"name": self.name, "id": self.id, "salt": salt.hex(), "hash": digest,
                           "scopes": self.scopes}) + "\n"


def with_tokens(t, *tokens, **options):
    path = os.path.join(tempfile.mkdtemp(prefix="leat-tokens-"), "tokens")
    t.cleanup.append(lambda: shutil.rmtree(os.path.dirname(path)))
    with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.writelines(token.line() for token in tokens)
    return own(t, tokens=path, **options)


__all__ = [name for name in dir() if not name.startswith("_")]
