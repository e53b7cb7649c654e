"""serving: start and stop a leat and talk to it, for tools/demo and bench/run."""

import ctypes
import http.client
import json
import pathlib
import re
import signal
import subprocess
import threading

TOP = pathlib.Path(__file__).resolve().parent.parent


_libc = ctypes.CDLL(None)


def _end_with_parent():
    """In the child: when we are killed it drains and ends, too."""
    _libc.prctl(1, signal.SIGTERM)


class Failed(Exception):
    """Something a person should read; no traceback needed."""


class Server:
    """A leat that runs until `stop`. Its log goes to a file; `port` is where it listens."""

    def __init__(self, program, data, log, stages=None, listen="127.0.0.1:0", options=()):
        self.log = pathlib.Path(log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [str(program), "serve", "--listen", listen, "--data", str(data), *options]
        if stages:
            command += ["--stages", str(stages)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True, errors="replace",
                                        preexec_fn=_end_with_parent,
                                        start_new_session=True)  # Ctrl-C is ours
        self.port = None
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self._ready.wait(60)
        if self.port is None:
            self.process.kill()
            self._reader.join()
            last = self.log.read_text().strip().splitlines()[-5:]
            raise Failed("leat did not start:\n  " + "\n  ".join(last or ["(it said nothing)"]))

    def _read_log(self):
        """The log is read to its end: a full pipe would stop the server."""
        with self.log.open("w", encoding="utf-8") as kept:
            for line in self.process.stderr:
                kept.write(line)
                kept.flush()
                match = re.search(r"event=listening\b.*\bport=(\d+)", line)
                if match and self.port is None:
                    self.port = int(match.group(1))
                    self._ready.set()
        self._ready.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self, seconds=60):
        """SIGTERM: drain, commit, end. Returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"leat did not end within {seconds} s of SIGTERM") from None
        self._reader.join()
        return status

    def request(self, method, path, body=None, content_type="application/json"):
        """One request; its reply, parsed if it is JSON. Anything but 2xx raises what was said."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            data = json.dumps(body) if isinstance(body, (dict, list)) else body
            connection.request(method, path, data, {"Content-Type": content_type})
            reply = connection.getresponse()
            text = reply.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as broken:
            raise Failed(f"{method} {path}: {broken!r}; the log is in {self.log}") from broken
        finally:
            connection.close()
        if reply.status // 100 != 2:
            raise Failed(f"{method} {path}: {reply.status} {text.strip()}")
        kind = reply.headers.get_content_type()
        return json.loads(text) if kind == "application/json" else text
