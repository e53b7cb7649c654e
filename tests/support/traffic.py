"""Every exchange with a server, as a line of JSON, when LEAT_TRAFFIC names a file.

tests/openapi reads it and holds each request and reply against the API's description. Many
processes write to one file: each exchange is one append, so lines stay whole.
"""

import base64
import json
import os

REPLY_MAX = 1 << 18  # of a longer reply only the beginning is kept
REQUEST_MAX = 1 << 16

test = None  # whose exchanges these are


def begin():
    """A run makes its record anew."""
    path = os.environ.get("LEAT_TRAFFIC")
    if path:
        path = os.environ["LEAT_TRAFFIC"] = os.path.abspath(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass


def exchange(method, target, headers):
    """The record of one exchange that begins; None where none is wanted."""
    path = os.environ.get("LEAT_TRAFFIC")
    return Exchange(path, method, target, headers) if path else None


def readable(data):
    try:
        return {"text": bytes(data).decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


class Exchange:
    def __init__(self, path, method, target, headers):
        self.path = path
        self.request = {"method": method, "target": target,
                        "headers": {name: str(value) for name, value in headers.items()}}
        self.response = None
        self.reply = bytearray()
        self.cut = False    # there was more than is kept
        self.whole = False  # it ended properly

    def sent(self, body):
        if len(body) <= REQUEST_MAX:
            self.request["body"] = readable(body)

    def listen(self, response, pieces):
        """Passes the pieces of the reply's body on."""
        self.response = response
        for piece in pieces:
            room = REPLY_MAX - len(self.reply)
            self.reply += piece[:room]
            self.cut = self.cut or len(piece) > room
            yield piece
        self.whole = True
        self.end()

    def end(self):
        if self.response is None:
            return
        line = {"test": test, "request": self.request, "status": self.response.status,
                "headers": self.response.headers.pairs, "whole": self.whole and not self.cut,
                "body": readable(self.reply)}
        if self.response.trailers.pairs:
            line["trailers"] = self.response.trailers.pairs
        self.response = None
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, json.dumps(line).encode() + b"\n")
        finally:
            os.close(file)
