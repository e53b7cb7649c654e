"""Far: somebody else's HTTP server, for stages that call one. It runs in a thread of the test,
answers by path, and remembers what it was asked: `requests`, `connections`, and how many were
being answered at once (`most`).

    /echo            method, target, headers and body as JSON
    /status/N        that status; ?after=TEXT: with Retry-After, ?times=K: K times, then 200
    /redirect        ?to=URL&status=302
    /each            an array for an array, each with a fate of its own; ?less=1: one too few
    /gate            answers when `gate` is set
    /size/N /chunked/N /text/T /empty /gzip/N /cut /noise /nojson /deep /drop /hang
    /list            pages of ?of=N items, ?size=K, ?page=, by Link or by cursor
"""

import asyncio
import gzip
import json
import threading
import urllib.parse


class Request:
    """One of them, as it came."""

    def __init__(self, method, target, headers, body, connection):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.connection = connection
        url = urllib.parse.urlsplit(target)
        self.path = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query))


class Drop(Exception):
    """End the connection."""


class Far:
    """Listens from the start on; stop() ends it."""

    def __init__(self):
        self.requests = []
        self.connections = 0
        self.now = self.most = 0
        self.tried = {}
        self.opened = threading.Event()  # /gate answers
        self.seen = threading.Condition()
        self.loop = asyncio.new_event_loop()
        self.tasks = set()
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.host}"

    def _run(self, ready):
        asyncio.set_event_loop(self.loop)
        self.gate = asyncio.Event()
        self.server = self.loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20, backlog=1024))
        self.port = self.server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def open_gate(self):
        self.loop.call_soon_threadsafe(self.gate.set)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def wait_for(self, count, timeout=30):
        """Until so many requests have come."""
        with self.seen:
            if not self.seen.wait_for(lambda: len(self.requests) >= count, timeout):
                raise AssertionError(f"{len(self.requests)} requests came instead of {count}")

    def targets(self):
        return [request.target for request in self.requests]

    async def _serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        self.connections += 1
        connection = self.connections
        try:
            while True:
                request = await self._read(reader, connection)
                request.reader, request.writer = reader, writer
                self.now += 1
                self.most = max(self.most, self.now)
                try:
                    with self.seen:
                        self.requests.append(request)
                        self.seen.notify_all()
                    writer.write(await self._answer(request, writer))
                    await writer.drain()
                finally:
                    self.now -= 1
        except (Drop, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError,
                RuntimeError):
            pass
        finally:
            self.tasks.discard(asyncio.current_task())
            try:
                writer.close()
            except RuntimeError:
                pass

    @staticmethod
    async def _read(reader, connection):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {}
        for line in head[1:-2]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Request(method, target, headers, body, connection)

    @staticmethod
    def _reply(status, body, kind="application/json", **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {kind}",
                 f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def _answer(self, request, writer):
        parts = request.path.strip("/").split("/")
        action = getattr(self, "do_" + parts[0], None)
        if action is None:
            return self._reply(404, {"no": request.path})
        answer = action(request, *parts[1:])
        return await answer if asyncio.iscoroutine(answer) else answer

    def do_each(self, request, *_):
        """An array of as many as came; {"n":5,"fail":…} fails, for good or the first time."""
        answers = []
        for item in json.loads(request.body):
            again = self.tried.get(("each", item["n"]), 0)
            self.tried["each", item["n"]] = again + 1
            if item.get("fail") == "once":
                answers.append({"error": "not now", "transient": True} if again == 0
                               else {"late": item["n"]})
            elif "fail" in item:
                answers.append({"error": "never"})
            else:
                answers.append({"of": len(json.loads(request.body)), "big": 12345678901234567890123})
        return self._reply(200, answers[int(request.query.get("less", 0)):])

    def do_echo(self, request, *_):
        return self._reply(200, {"method": request.method, "target": request.target,
                                 "headers": request.headers,
                                 "body": request.body.decode("utf-8", "replace")},
                           X_Echo=request.headers.get("x-token", "none"))

    def do_status(self, request, status):
        times = int(request.query.get("times", 1 << 30))
        self.tried[request.target] = self.tried.get(request.target, 0) + 1
        if self.tried[request.target] > times:
            return self._reply(200, {"tries": self.tried[request.target]})
        more = {"Retry_After": request.query["after"]} if "after" in request.query else {}
        return self._reply(int(status), {"error": request.headers.get("x-token", "no luck")},
                           **more)

    def do_redirect(self, request):
        return self._reply(int(request.query.get("status", 302)), {},
                           Location=request.query["to"])

    async def do_gate(self, request, *_):
        await self.gate.wait()
        return self.do_echo(request)

    def do_size(self, request, size):
        return self._reply(200, b"x" * int(size), "text/plain")

    def do_chunked(self, request, count):
        chunk = b"5\r\n1234,\r\n"
        return (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n" + chunk * int(count) +
                b"2\r\n5]\r\n0\r\n\r\n")

    def do_text(self, request, *_):
        return self._reply(200, b"caf\xc3\xa9 \xff\n\"q\"", "text/plain")

    def do_empty(self, request):
        return b"HTTP/1.1 204 No Content\r\n\r\n"

    def do_gzip(self, request, size):
        return self._reply(200, gzip.compress(b"x" * int(size)), "text/plain",
                           Content_Encoding="gzip")

    async def do_cut(self, request):
        raise Drop()

    async def do_short(self, request):
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        raise Drop()

    def do_noise(self, request):
        return bytes(range(256)) + b"\r\n\r\n"

    def do_nojson(self, request):
        return self._reply(200, b'{"a":tru', "application/json")

    def do_deep(self, request):
        return self._reply(200, b"[" * 5000 + b"]" * 5000)

    async def do_hang(self, request):
        await request.reader.read()  # until nobody is there
        raise Drop()

    def do_bulk(self, request):
        """Doubles n; an n below zero is an error of its own."""
        answers = [{"error": f"{item['n']} is below zero"} if item["n"] < 0 else
                   {"twice": 2 * item["n"]} for item in json.loads(request.body)]
        if request.query.get("cut"):
            answers.pop()
        return self._reply(200, answers)

    def do_list(self, request, how="link"):
        query = request.query
        of, size, page = (int(query.get(name, default)) for name, default in
                          (("of", 10), ("size", 3), ("page", 0)))
        rows = [{"n": n} for n in range(page * size, min(of, (page + 1) * size))]
        more = (page + 1) * size < of
        base = f"/list/{how}?of={of}&size={size}&page={page + 1}"
        if how == "link":
            link = f'<{base}>; rel="next", </list/link?of=1>; rel="last"'
            return self._reply(200, rows, **({"Link": link} if more else {}))
        if how == "next":
            return self._reply(200, {"items": rows, "next": self.url + base if more else None})
        return self._reply(200, {"items": rows, "cursor": str(page + 1) if more else None})
