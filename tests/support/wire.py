"""HTTP/1.1 spoken by hand over one socket.

The standard client hides what these tests are about: where a chunk ends, what stands in
a trailer, that a reply came before the body was sent, that a connection was cut. So a
Connection sends exactly the bytes it is told to and decodes replies piece by piece.
Every wait has a deadline; none sleeps.
"""

import json
import select
import socket
import time
from collections import deque

from . import traffic


class Closed(Exception):
    """The server closed the connection where more was expected."""


class Headers:
    """Reply headers in order, found without regard to case."""

    def __init__(self, pairs):
        self.pairs = pairs

    def get(self, name, default=None):
        for key, value in self.pairs:
            if key.lower() == name.lower():
                return value
        return default

    def __contains__(self, name):
        return self.get(name) is not None

    def __getitem__(self, name):
        value = self.get(name)
        if value is None:
            raise KeyError(f"no header {name!r} among {[k for k, _ in self.pairs]}")
        return value


class Response:
    """Status, headers, and the body once it was read."""

    def __init__(self, status, headers, connection=None):
        self.status = status
        self.headers = headers
        self.trailers = Headers([])
        self.body = b""
        self.connection = connection

    @property
    def type(self):
        return (self.headers.get("content-type") or "").split(";")[0].strip().lower()

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise AssertionError(f"{self.status} with a body that is not JSON ({error}): "
                                 f"{self.body[:300]!r}") from None

    def lines(self):
        return [line for line in self.body.split(b"\n") if line]

    def values(self):
        return [json.loads(line) for line in self.lines()]

    def __repr__(self):
        return f"<{self.status} {self.type} {self.body[:300]!r}>"


class Connection:
    """One socket to the server. `timeout` bounds each read and each write."""

    def __init__(self, port, timeout=30.0, receive_buffer=None):
        self.timeout = timeout
        self.socket = self._connect(port, receive_buffer)
        self.buffer = bytearray()
        self.ended = False
        self.partial = False  # a request was not sent whole: the connection is of no more use
        self._body = None
        self._asked = deque()  # exchanges whose replies have not begun
        self._exchange = None

    def _connect(self, port, receive_buffer):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if receive_buffer:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            made.settimeout(self.timeout)
            made.connect(("127.0.0.1", port))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            made.close()
            raise
        return made

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._hear(None)
        self.socket.close()

    def _hear(self, exchange):
        """What comes from now on belongs to `exchange`; the one before is over."""
        if self._exchange is not None:
            self._exchange.end()
        self._exchange = exchange

    def cut(self):
        """Ends the connection with a reset, as a client does that was killed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.close()

    # -- sending ---------------------------------------------------------------

    def send(self, data, timeout=None):
        """Sends all of `data`, or stops where the server has already replied or hung up.
        Answers how many bytes the kernel took."""
        view = memoryview(data)
        sent = 0
        deadline = time.monotonic() + (timeout or self.timeout)
        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLOUT)
        self.socket.setblocking(False)
        try:
            while sent < len(view):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"the server took {sent} of {len(view)} bytes and no more")
                for _, events in poll.poll(left * 1000):
                    if events & ~select.POLLOUT and self._fill_now():
                        self.partial = True
                        return sent
                    if events & select.POLLOUT:
                        sent += self.socket.send(view[sent:sent + (1 << 20)])
        except (BrokenPipeError, ConnectionResetError):
            self.partial = True
        finally:
            self.socket.settimeout(self.timeout)
        return sent

    def send_head(self, method, target, headers=()):
        head = [f"{method} {target} HTTP/1.1"]
        given = dict(headers)
        if not any(name.lower() == "host" for name in given):
            head.append("Host: localhost")
        for name, value in given.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                head.append(f"{name}: {one}")
        self.method = method
        self._asked.append(traffic.exchange(method, target, given))
        self.send(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))

    def send_chunk(self, data, timeout=None):
        """One HTTP chunk; False if the server has replied or hung up meanwhile."""
        framed = b"%x\r\n" % len(data) + bytes(data) + b"\r\n"
        return self.send(framed, timeout) == len(framed)

    def end_chunks(self):
        self.send(b"0\r\n\r\n")

    # -- receiving -------------------------------------------------------------

    def _fill_now(self):
        """Takes what has arrived, without waiting; true if the peer said anything at all."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            self.ended = True
            return True
        if data:
            self.buffer += data
        else:
            self.ended = True
        return True

    def _fill(self, deadline):
        if self.ended:
            raise Closed("the server closed the connection")
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing more from the server in time")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(1 << 18)
        except socket.timeout:
            raise TimeoutError("nothing more from the server in time") from None
        except ConnectionResetError:
            self.ended = True
            raise Closed("the server reset the connection") from None
        if not data:
            self.ended = True
            raise Closed("the server closed the connection")
        self.buffer += data

    def wait_readable(self, timeout):
        """Waits until some bytes of a reply have come; they stay in `buffer`."""
        if not self.buffer:
            self._fill(time.monotonic() + timeout)

    def _deadline(self, timeout):
        return time.monotonic() + (self.timeout if timeout is None else timeout)

    def _line(self, deadline):
        while True:
            at = self.buffer.find(b"\n")
            if at >= 0:
                line = bytes(self.buffer[:at + 1])
                del self.buffer[:at + 1]
                return line.rstrip(b"\r\n")
            self._fill(deadline)

    def _headers(self, deadline):
        pairs = []
        while True:
            line = self._line(deadline)
            if not line:
                return Headers(pairs)
            name, _, value = line.decode("latin-1").partition(":")
            pairs.append((name.strip(), value.strip()))

    def read_head(self, timeout=None, informational=None):
        """Reads up to the end of the reply's head. 1xx replies are passed over, their
        status appended to `informational`."""
        deadline = self._deadline(timeout)
        while True:
            words = self._line(deadline).split(None, 2)
            if len(words) < 2 or not words[0].startswith(b"HTTP/1."):
                raise AssertionError(f"not a status line: {words!r}")
            status = int(words[1])
            headers = self._headers(deadline)
            if status >= 200:
                break
            if informational is not None:
                informational.append(status)
        response = Response(status, headers, self)
        self._body = self._decoder(response)
        self._hear(self._asked.popleft() if self._asked else None)
        if self._exchange is not None:
            self._body = self._exchange.listen(response, self._body)
        return response

    def _decoder(self, response):
        """Chooses how the body is framed: a generator of decoded pieces."""
        if self.method == "HEAD" or response.status in (204, 304):
            return iter(())
        if (response.headers.get("transfer-encoding") or "").lower() == "chunked":
            return self._chunked(response)
        if "content-length" in response.headers:
            return self._sized(int(response.headers["content-length"]))
        return self._until_close()

    def _sized(self, left):
        while left:
            if not self.buffer:
                self._fill(self._read_deadline)
            piece = bytes(self.buffer[:left])
            del self.buffer[:left]
            left -= len(piece)
            yield piece

    def _chunked(self, response):
        while True:
            size = int(self._line(self._read_deadline).split(b";")[0], 16)
            if size == 0:
                response.trailers = self._headers(self._read_deadline)
                return
            yield from self._sized(size)
            if self._line(self._read_deadline):
                raise AssertionError("a chunk is longer than it says")

    def _until_close(self):
        while True:
            if self.buffer:
                piece = bytes(self.buffer)
                self.buffer.clear()
                yield piece
            try:
                self._fill(self._read_deadline)
            except Closed:
                return

    def read_piece(self, timeout=None):
        """The next decoded bytes of the body; b"" at its proper end."""
        self._read_deadline = self._deadline(timeout)
        return next(self._body, b"")

    def read_body(self, response, timeout=None):
        pieces = []
        self._read_deadline = self._deadline(timeout)
        for piece in self._body:
            pieces.append(piece)
        response.body = b"".join(pieces)
        return response

    def read_response(self, timeout=None, informational=None):
        return self.read_body(self.read_head(timeout, informational), timeout)

    # -- whole exchanges -------------------------------------------------------

    def request(self, method, target, body=None, headers=None, timeout=None):
        """`body`: bytes are sent with a length, any other iterable of bytes as chunks."""
        headers = dict(headers or {})
        if body is None:
            if method in ("POST", "PUT", "PATCH"):
                headers.setdefault("Content-Length", "0")
            self.send_head(method, target, headers)
        elif isinstance(body, (bytes, bytearray, memoryview)):
            headers.setdefault("Content-Length", str(len(body)))
            self.send_head(method, target, headers)
            if self._asked[-1] is not None:
                self._asked[-1].sent(body)
            self.send(body, timeout)
        else:
            headers.setdefault("Transfer-Encoding", "chunked")
            self.send_head(method, target, headers)
            for piece in body:
                if piece and not self.send_chunk(piece, timeout):
                    break
            else:
                self.end_chunks()
        return self.read_response(timeout)

    def raw(self, data, method="GET", timeout=None):
        """Sends bytes as they are and reads one reply."""
        self.method = method
        self.send(data, timeout)
        return self.read_response(timeout)


class Lines:
    """A reply's body read line by line while it comes."""

    def __init__(self, connection, response):
        self.connection = connection
        self.response = response
        self.rest = b""
        self.ended = False

    def readline(self, timeout=None):
        """The next line without its newline, or None at the end of the body."""
        deadline = time.monotonic() + (self.connection.timeout if timeout is None else timeout)
        while b"\n" not in self.rest and not self.ended:
            piece = self.connection.read_piece(max(0.001, deadline - time.monotonic()))
            if not piece:
                self.ended = True
            self.rest += piece
        if b"\n" not in self.rest:
            line, self.rest = self.rest, b""
            return line or None
        line, _, self.rest = self.rest.partition(b"\n")
        return line.rstrip(b"\r")

    def __iter__(self):
        return iter(self.readline, None)

    def close(self):
        self.connection.close()


class Event:
    """One server-sent event; a comment line has only `comment`."""

    def __init__(self):
        self.id = None
        self.event = None
        self.data = None
        self.comment = None

    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return f"<event {self.event} id={self.id} data={self.data!r}>"


class Events(Lines):
    """A text/event-stream reply, event by event."""

    def next(self, timeout=None, comments=False):
        event = Event()
        while True:
            line = self.readline(timeout)
            if line is None:
                return None
            text = line.decode()
            if text.startswith(":"):
                event.comment = text[1:].strip()
                if comments:
                    return event
            elif not text:
                if event.data is not None:
                    return event
                event = Event()
            else:
                self._field(event, text)

    @staticmethod
    def _field(event, text):
        name, _, value = text.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "data":
            event.data = value if event.data is None else event.data + "\n" + value
        elif name in ("id", "event"):
            setattr(event, name, value)

    def __iter__(self):
        return iter(self.next, None)
