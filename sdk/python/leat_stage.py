"""leat_stage: a Python function becomes a stage of leat.

    from leat_stage import stage

    @stage
    def work(item):
        return {**item, "total": item["price"] * item["qty"]}

That is a whole program. The function is given one item; what it returns is emitted, None
filters the item out, a generator or Many([...]) emits many, an exception is a failure
(Transient("...") one that is worth another attempt). See README.md beside this file.

One file, no dependencies, Python 3.9 or newer: copy it next to your program, or set PYTHONPATH
to its folder. Without leat around it, the program reads items from standard input and writes
results to standard output, a JSON text a line, so it can be tried by hand.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import inspect
import json
import os
import queue
import re
import select
import signal
import sys
import threading
import time
import traceback
from typing import Any, Callable, Iterable, Iterator, Optional

__all__ = ["stage", "run", "params", "name", "log", "Item", "Many", "Permanent", "Transient"]
__version__ = "1.0.0"

CHUNK = 1 << 18  # bytes that one read takes at most
FLUSH_S = 0.002  # an answer waits no longer than this, and the item after it
FLUSH_ANSWERS = 1000
BATCH = 1000  # items that a batch function is given at most, where it does not say


class Permanent(Exception):
    """Raise it when the item is wrong and another attempt would not help."""


class Transient(Exception):
    """Raise it when another attempt may succeed: the job's `retry` says how often and when."""


class Many(list):
    """Many([a, b]): emits a and b. A plain list is one value."""


class Cancelled:
    """Says that nobody wants the item any more. It has a threading.Event's is_set() and wait()."""

    __slots__ = ("_flag", "_event")
    _making = threading.Lock()

    def __init__(self) -> None:
        self._flag = False
        self._event: Optional[threading.Event] = None

    def is_set(self) -> bool:
        return self._flag

    __bool__ = is_set

    def set(self) -> None:
        with self._making:
            self._flag = True
            if self._event is not None:
                self._event.set()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Sleep until it is set, `timeout` seconds at most. Is it set now?"""
        with self._making:
            if self._flag:
                return True
            if self._event is None:
                self._event = threading.Event()
        return self._event.wait(timeout)


class Item:
    """What a function with a second argument is given with the value."""

    __slots__ = ("id", "attempt", "value", "cancelled")

    def __init__(self, item_id: Any, attempt: int, value: Any) -> None:
        self.id = item_id  #: the same at every attempt, also after a crash: a key for what you do outside
        self.attempt = attempt  #: 1, 2, ...
        self.value = value
        self.cancelled = Cancelled()


def params() -> dict:
    """The job's parameters for this stage, checked and with their defaults."""
    return json.loads(os.environ.get("LEAT_PARAMS") or "{}")


def name() -> str:
    """The name that this program is registered under."""
    return os.environ.get("LEAT_STAGE", "")


# -- JSON ------------------------------------------------------------------------------------

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_decoder = json.JSONDecoder()


def _quick_encode() -> Callable[[Any], str]:
    """_encoder.encode() without making the C encoder anew for each value: a third of the time."""
    try:
        encode = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
            None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
        sample = {"a": [1, 2.5, None, True, "\u00e4\n"], "b": {}}
        if "".join(encode(sample, 0)) == _encoder.encode(sample):
            return lambda value: "".join(encode(value, 0))
    except Exception:  # it is the interpreter's own business and may change
        pass
    return _encoder.encode


def _decode(text: str) -> Any:
    """_decoder.decode() for what the server writes: no blanks in front."""
    try:
        value, end = _decoder.scan_once(text, 0)
        if end == len(text):
            return value
    except StopIteration:
        pass
    return _decoder.decode(text)


_encode = _quick_encode()
_ID = re.compile(r'\s*\{\s*"item"\s*:\s*("(?:[^"\\]|\\.)*"|[0-9]+)')


def _printable(text: str) -> str:
    """Of any string one that is valid UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _encoded(value: Any) -> str:
    try:
        return _encode(value)
    except ValueError as error:
        reason = "NaN and infinity have no place in JSON" if "JSON compliant" in str(error) else error
    except (TypeError, RecursionError) as error:
        reason = error
    raise Permanent(f"the result is not JSON: {reason}")


def _emitted(result: Any) -> str:
    """The results of one item as they stand between the brackets of `emit`."""
    if result is None:
        return ""
    if isinstance(result, Many) or inspect.isgenerator(result):
        return ",".join([_encoded(value) for value in result])
    return _encoded(result)


def _failure(error: BaseException) -> tuple[str, bool]:
    """What an exception says to the server, and whether another attempt is worth it."""
    if isinstance(error, (Permanent, Transient)):
        return str(error) or type(error).__name__, isinstance(error, Transient)
    traceback.print_exception(type(error), error, error.__traceback__)
    text = str(error)
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__), False


# -- the two ends of the pipe ----------------------------------------------------------------


class _Input:
    """Lines of standard input, in bunches: what one read brought, without blanks at the ends."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def _read(self) -> bytes:
        while True:
            try:
                return os.read(self.fd, CHUNK)
            except BlockingIOError:
                select.select([self.fd], [], [])
            except ConnectionResetError:
                return b""

    def __iter__(self) -> Iterator[list[bytes]]:
        begun: list[bytes] = []  # of a line whose end has not come
        while True:
            chunk = self._read()
            if not chunk:
                break
            end = chunk.rfind(b"\n")
            if end < 0:
                begun.append(chunk)
                continue
            begun.append(chunk[:end])
            lines = b"".join(begun).split(b"\n")
            begun = [chunk[end + 1:]] if end + 1 < len(chunk) else []
            yield lines
        last = b"".join(begun)
        if last:
            yield [last]


class _Output:
    """Answers on their way out. Thread: any."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.lock = threading.Lock()
        self.waiting: list[str] = []
        self.since = 0.0

    def put(self, line: str) -> None:
        """`line` goes out with the next flush(), or now where the last one was a while ago."""
        with self.lock:
            self.waiting.append(line)
            if time.monotonic() - self.since >= FLUSH_S or len(self.waiting) >= FLUSH_ANSWERS:
                self._write()
                self.since = time.monotonic()

    def begin(self) -> None:
        """A bunch of items has come: from now on their answers are gathered."""
        self.since = time.monotonic()

    def flush(self) -> None:
        with self.lock:
            self._write()

    def last_words(self) -> None:
        """For the handler of a signal, which may have interrupted put(): it takes no lock then."""
        if self.lock.acquire(timeout=0.2):
            try:
                self._write()
            finally:
                self.lock.release()

    def _write(self) -> None:
        if not self.waiting:
            return
        data = "".join(self.waiting).encode("utf-8")
        self.waiting.clear()
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.fd, view):]
            except BlockingIOError:
                select.select([], [self.fd], [])
            except (BrokenPipeError, ConnectionResetError):
                os._exit(0)  # nobody reads: there is nothing left to do, and nobody to tell


_output: Optional[_Output] = None
_framed = False


def log(text: Any) -> None:
    """A line for the server's log."""
    text = _printable(str(text))
    if _framed and _output is not None:
        _output.put('{"log":%s}\n' % _encode(text))
        _output.flush()
    else:
        print(text, file=sys.stderr, flush=True)


def _take_over() -> tuple[int, int]:
    """
    The descriptors of the protocol. Whatever else reads standard input or writes standard output
    (a print(), a library, a child) reads nothing and writes to standard error from here on.
    """
    sys.stdout.flush()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    ours_in, ours_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return ours_in, ours_out


# -- the framed protocol ---------------------------------------------------------------------


class _Framed:
    """{"item":id,"attempt":n,"value":v} in; {"item":id,"emit":[v...]} or an error out."""

    def __init__(self, output: _Output) -> None:
        self.output = output

    def frames(self, lines: Iterable[bytes]) -> tuple[list[list], list]:
        """Of a bunch of lines the groups of items that came together, and what is cancelled."""
        groups, cancelled = [], []
        for line in lines:
            if not line.strip():
                continue
            frame = self.parse(line)
            if frame is None:
                continue
            try:
                if "item" in frame:
                    groups.append([(frame["item"], frame.get("attempt", 1), frame["value"])])
                elif "batch" in frame:
                    groups.append([(f["item"], f.get("attempt", 1), f["value"]) for f in frame["batch"]])
                elif "cancel" in frame:
                    cancelled.append(frame["cancel"])
            except (KeyError, TypeError, AttributeError):
                _not_framed(line)
        return groups, cancelled

    def parse(self, line: bytes) -> Optional[dict]:
        """None: it cannot be had as a Python value, and has been answered."""
        text = line.decode("utf-8", "replace")
        try:
            frame = _decode(text)
        except (ValueError, RecursionError) as error:
            return self.unreadable(text, error)
        if not isinstance(frame, dict):
            _not_framed(line)
        return frame

    def unreadable(self, text: str, error: Exception) -> None:
        """Too deep, or a number too long for Python: the item fails, the others do not notice."""
        found = _ID.match(text)
        if not found:
            _not_framed(text.encode("utf-8", "replace"))
        self.fail(json.loads(found.group(1)), Permanent(f"the item cannot be read in Python: {error}"))

    def done(self, item_id: Any, result: Any) -> None:
        """Answers with what the function returned, be it an exception."""
        if isinstance(result, BaseException):
            self.fail(item_id, result)
            return
        try:
            if type(result) is dict:
                line = f'{{"item":{_encode(item_id)},"emit":[{_encoded(result)}]}}\n'
            else:
                line = f'{{"item":{_encode(item_id)},"emit":[{_emitted(result)}]}}\n'
            if not line.isascii():
                line.encode("utf-8")
        except Exception as error:  # also from within a generator
            if isinstance(error, UnicodeEncodeError):
                error = Permanent("the result is not JSON: it holds half of a surrogate pair")
            self.fail(item_id, error)
            return
        self.output.put(line)

    def fail(self, item_id: Any, error: BaseException) -> None:
        text, transient = _failure(error)
        self.output.put('{"item":%s,"error":%s,"transient":%s}\n' % (
            _encode(item_id), _encode(_printable(text)), "true" if transient else "false"))


def _not_framed(line: bytes) -> None:
    shown = line[:200].decode("utf-8", "backslashreplace")
    print(f"leat_stage: this is not a line of the framed protocol: {shown}", file=sys.stderr, flush=True)
    if _output is not None:
        _output.flush()
    raise SystemExit(1)


class _Plain:
    """A value a line in, a value a line out, in the same order; an empty line is "filtered"."""

    def __init__(self, output: _Output) -> None:
        self.output = output

    def frames(self, lines: Iterable[bytes]) -> tuple[list[list], list]:
        groups = []
        for line in lines:
            if line.strip():
                try:
                    groups.append([(None, 1, _decode(line.decode("utf-8", "replace")))])
                except (ValueError, RecursionError) as error:
                    groups.append([(None, 1, Permanent(f"the item cannot be read in Python: {error}"))])
        return groups, []

    def done(self, item_id: Any, result: Any) -> None:
        try:
            if isinstance(result, BaseException):
                raise result
            if isinstance(result, Many) or inspect.isgenerator(result):
                raise Permanent('the plain protocol has one result an item: use "protocol": "framed"')
            line = _emitted(result) + "\n"
            line.encode("utf-8")
        except Exception as error:
            self.fail(item_id, error)
            return
        self.output.put(line)

    def fail(self, item_id: Any, error: BaseException) -> None:
        """It has no word for a failure: what was answered goes out and the program ends."""
        text, _ = _failure(error)
        print(f"leat_stage: {_printable(text)}", file=sys.stderr, flush=True)
        self.output.flush()
        raise SystemExit(1)


# -- ways to run a function ------------------------------------------------------------------


def _call(work: Callable, wants_item: bool, frame: tuple) -> Any:
    """The function's result, or the exception that it raised."""
    item_id, attempt, value = frame
    if isinstance(value, Permanent):
        return value
    try:
        return work(value, Item(item_id, attempt, value)) if wants_item else work(value)
    except Exception as error:
        return error


def _in_turn(work: Callable, protocol: Any, source: _Input, wants_item: bool) -> None:
    """The fastest: one thread reads, works and writes."""
    done = protocol.done
    for lines in source:
        protocol.output.begin()
        groups, cancelled = protocol.frames(lines)
        gone = set(cancelled)
        for group in groups:
            for frame in group:
                done(frame[0], Transient("cancelled") if gone and frame[0] in gone
                     else _call(work, wants_item, frame))
        protocol.output.flush()


def _batches(groups: list[list], limit: int) -> Iterator[list]:
    """Groups as the server made them; single items next to each other become one."""
    singles: list = []
    for group in groups:
        if len(group) == 1 and len(singles) < limit:
            singles += group
            continue
        if singles:
            yield singles
            singles = []
        if len(group) == 1:
            singles = group
        else:
            for start in range(0, len(group), limit):
                yield group[start:start + limit]
    if singles:
        yield singles


def _fates(work: Callable, wants_item: bool, batch: list) -> list:
    """A result or an exception for every item of the batch."""
    try:
        values = [value for _, _, value in batch]
        results = work(values, [Item(*frame) for frame in batch]) if wants_item else work(values)
        results = list(results) if results is not None else [None] * len(batch)
        if len(results) != len(batch):
            raise Permanent(f"a batch of {len(batch)} items was answered with {len(results)} results")
        return results
    except Exception as error:
        return [error] * len(batch)


def _in_batches(work: Callable, protocol: Any, source: _Input, wants_item: bool, limit: int) -> None:
    for lines in source:
        protocol.output.begin()
        groups, cancelled = protocol.frames(lines)
        gone = set(cancelled)
        for batch in _batches(groups, limit):
            wanted = [frame for frame in batch if not (gone and frame[0] in gone)
                      and not isinstance(frame[2], Permanent)]
            fates = iter(_fates(work, wants_item, wanted) if wanted else [])
            kept = set(map(id, wanted))
            for frame in batch:
                protocol.done(frame[0], next(fates) if id(frame) in kept else
                              frame[2] if isinstance(frame[2], Permanent) else Transient("cancelled"))
        protocol.output.flush()


class _Reader(threading.Thread):
    """Reads while functions run, so that a cancel is heard. give(item), or None at the end."""

    def __init__(self, protocol: Any, source: _Input, give: Callable) -> None:
        super().__init__(name="leat-reader", daemon=True)
        self.protocol, self.source, self.give = protocol, source, give
        self.live: dict = {}
        self.error: Optional[BaseException] = None

    def run(self) -> None:
        try:
            for lines in self.source:
                groups, cancelled = self.protocol.frames(lines)
                items = [Item(*frame) for group in groups for frame in group]
                for item in items:
                    if item.id is not None:
                        self.live[item.id] = item
                for item_id in cancelled:
                    item = self.live.get(item_id)
                    if item is not None:
                        item.cancelled.set()
                self.give(items, cancelled)
                self.protocol.output.flush()  # what could not be read has been answered already
        except BaseException as error:  # SystemExit too: it is the main thread's to raise
            self.error = error
        self.give(None, ())

    def over(self, item: Item) -> None:
        if self.live.get(item.id) is item:
            del self.live[item.id]

    def cancel_all(self) -> None:
        for item in list(self.live.values()):
            item.cancelled.set()


_reader: Optional[_Reader] = None


def _one(work: Callable, wants_item: bool, item: Item) -> Any:
    if item.cancelled.is_set():
        return Transient("cancelled")
    if isinstance(item.value, Permanent):
        return item.value
    try:
        result = work(item.value, item) if wants_item else work(item.value)
        return Many(result) if inspect.isgenerator(result) else result
    except Exception as error:
        return error


def _with_reader(work: Callable, protocol: Any, source: _Input, wants_item: bool, threads: int) -> None:
    """A function that wants to hear of a cancel, or that sleeps and shall run many times at once."""
    global _reader
    waiting: queue.SimpleQueue = queue.SimpleQueue()

    def give(items: Optional[list], _cancelled: Iterable) -> None:
        if items is None:
            for _ in range(threads):
                waiting.put(None)
        elif threads == 1:
            waiting.put(items)
        else:
            for item in items:
                waiting.put([item])

    def serve() -> None:
        try:
            while True:
                try:
                    items = waiting.get_nowait()
                except queue.Empty:
                    protocol.output.flush()
                    items = waiting.get()
                    protocol.output.begin()
                if items is None:
                    return
                for item in items:
                    result = _one(work, wants_item, item)
                    reader.over(item)
                    protocol.done(item.id, result)
        except BaseException as error:
            ended.append(error)

    ended: list = []
    _reader = reader = _Reader(protocol, source, give)
    reader.start()
    others = [threading.Thread(target=serve, name=f"leat-{n}", daemon=True) for n in range(1, threads)]
    for thread in others:
        thread.start()
    serve()
    for thread in others:
        thread.join()
    protocol.output.flush()
    for error in [*ended, reader.error]:
        if error is not None:
            raise error


async def _settled(work: Callable, wants_item: bool, item: Item) -> Any:
    if isinstance(item.value, Permanent):
        return item.value
    try:
        result = work(item.value, item) if wants_item else work(item.value)
        if inspect.isasyncgen(result):
            return Many([value async for value in result])
        return await result
    except asyncio.CancelledError:
        return Transient("cancelled")
    except Exception as error:
        return error


async def _concurrently(work: Callable, protocol: Any, source: _Input, wants_item: bool, limit: int) -> None:
    """A coroutine an item, up to `limit` at once (0: as many as the server sends)."""
    global _reader
    loop = asyncio.get_running_loop()
    news = asyncio.Event()
    waiting: collections.deque = collections.deque()
    tasks: dict = {}
    ended = []

    def arrived(items: Optional[list], cancelled: Iterable) -> None:
        if items is None:
            ended.append(True)
        waiting.extend(items or ())
        for item_id in cancelled:
            if item_id in tasks:
                tasks[item_id].cancel()
        news.set()

    def give(items: Optional[list], cancelled: Iterable) -> None:
        loop.call_soon_threadsafe(arrived, items, cancelled)

    def over(item: Item, task: asyncio.Task) -> None:
        tasks.pop(key(item), None)
        reader.over(item)  # cancelled: before its first step
        protocol.done(item.id, Transient("cancelled") if task.cancelled() else task.result())
        news.set()

    def key(item: Item) -> Any:
        return item if item.id is None else item.id

    def begin() -> None:
        while waiting and (limit == 0 or len(tasks) < limit):
            item = waiting.popleft()
            if item.cancelled.is_set():
                reader.over(item)
                protocol.done(item.id, Transient("cancelled"))
            else:
                task = tasks[key(item)] = loop.create_task(_settled(work, wants_item, item))
                task.add_done_callback(functools.partial(over, item))

    _reader = reader = _Reader(protocol, source, give)
    reader.start()
    while not (ended and not waiting and not tasks):
        await news.wait()
        news.clear()
        begin()
        await asyncio.sleep(0)  # those that answer at once do so before this flush
        protocol.output.flush()
    if reader.error is not None:
        raise reader.error


# -- the front door --------------------------------------------------------------------------


def _wants_item(work: Callable) -> bool:
    """Has it a second argument without a default, or one that is called `item`?"""
    try:
        given = [p for p in inspect.signature(work).parameters.values()
                 if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):  # some functions written in C
        return False
    return len(given) > 1 and (given[1].default is inspect.Parameter.empty or given[1].name == "item")


def _terminate(_signum: int, _frame: Any) -> None:
    """What has been done is said, what is being done is broken off."""
    if _reader is not None:
        _reader.cancel_all()
    if _output is not None:
        _output.last_words()
    if _reader is None:
        raise SystemExit(128 + signal.SIGTERM)
    os._exit(128 + signal.SIGTERM)  # threads that are asked would not hear it


def run(work: Callable, *, batch: Any = False, concurrency: int = 0) -> None:
    """
    Makes this program a worker that gives every item to `work`, until the server closes it.

    batch: `work` takes a list of values and returns as many results; a number is how many it is
    given at most. concurrency: an async function runs that many times at once (0: as often as
    items come), another function in that many threads.
    """
    global _output, _framed
    if not callable(work):
        raise TypeError("stage: a function is wanted")
    if not isinstance(concurrency, int) or concurrency < 0 or (batch is not True and (
            not isinstance(batch, int) or batch < 0)):
        raise ValueError("stage: batch is a bool or a number of items, concurrency is 0 or more")
    asynchronous = inspect.iscoroutinefunction(work) or inspect.isasyncgenfunction(work)
    if batch and (asynchronous or concurrency > 1):
        raise ValueError("stage: a batch function is an ordinary one and runs alone")
    protocol_name = os.environ.get("LEAT_PROTOCOL") or "plain"
    if protocol_name not in ("plain", "framed"):
        raise ValueError(f"LEAT_PROTOCOL is {protocol_name!r}; plain and framed are known")
    _framed = protocol_name == "framed"
    ours_in, ours_out = _take_over()
    _output = _Output(ours_out)
    source = _Input(ours_in)
    protocol = _Framed(_output) if _framed else _Plain(_output)
    signal.signal(signal.SIGTERM, _terminate)
    wants_item = _wants_item(work)
    try:
        if not _framed:  # its answers have the order of its items
            concurrency = 1
        if asynchronous:
            asyncio.run(_concurrently(work, protocol, source, wants_item, concurrency))
        elif batch:
            _in_batches(work, protocol, source, wants_item, BATCH if batch is True else batch)
        elif wants_item and _framed or concurrency > 1:
            _with_reader(work, protocol, source, wants_item, max(concurrency, 1))
        else:
            _in_turn(work, protocol, source, wants_item)
    except KeyboardInterrupt:
        os._exit(130)
    finally:
        _output.flush()


def stage(work: Optional[Callable] = None, **options: Any) -> Any:
    """
    @stage or @stage(batch=…, concurrency=…): runs the function when its file is the program.

    It starts at once, so it stands last in the file. Where the file is imported, by a test for
    instance, the function stays what it is.
    """
    if work is None:
        return lambda function: stage(function, **options)
    if not callable(work):
        raise TypeError("stage: a function is wanted")
    if getattr(work, "__module__", None) == "__main__":
        run(work, **options)
    return work
