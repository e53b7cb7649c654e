"""A small terminal: what a program's bytes make of the screen, and a program that runs in it."""

import fcntl
import pty
import re
import select
import struct
import termios

from remote import *

CSI = re.compile(r"\x1b\[(\?)?([0-9;]*)([A-Za-z])")


class Screen:
    """Two screens of cells. Everything it does not know, and every line that is too long for
    it, is an error: what we send must be right on every terminal."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.alternate = False
        self.cursor_shown = True
        self.cells = {False: [], True: []}
        self.at = {False: [0, 0], True: [0, 0]}
        self.rest = ""
        self.left = b""

    def feed(self, data):
        data = self.left + data
        end = len(data)
        while end > len(data) - 4 and end > 0 and data[end - 1] >= 0x80:
            try:
                data[:end].decode()
                break
            except UnicodeDecodeError:
                end -= 1
        self.left = data[end:]
        text = self.rest + data[:end].decode()
        self.rest = ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = CSI.match(text, at)
                if not found:
                    ok(len(text) - at < 16, f"an unknown sequence {text[at:at + 16]!r}")
                    self.rest = text[at:]
                    return
                self.command(*found.groups())
                at = found.end()
            else:
                self.put(text[at])
                at += 1

    def command(self, private, numbers, letter):
        place = self.at[self.alternate]
        cells = self.cells[self.alternate]
        if private and (numbers, letter) in (("1049", "h"), ("1049", "l")):
            self.alternate = letter == "h"
        elif private and numbers == "25":
            self.cursor_shown = letter == "h"
        elif letter == "m" and re.fullmatch(r"[0-9;]*", numbers):
            pass
        elif letter == "H" and not numbers:
            place[:] = [0, 0]
        elif letter == "K" and not numbers:
            if place[0] < len(cells):
                del cells[place[0]][place[1]:]
        elif letter == "J" and not numbers:
            if place[0] < len(cells):
                del cells[place[0]][place[1]:]
                del cells[place[0] + 1:]
        elif letter == "J" and numbers == "2":
            cells.clear()
        else:
            raise AssertionError(f"an unknown sequence ESC [ {private or ''}{numbers}{letter}")

    def put(self, character):
        place = self.at[self.alternate]
        cells = self.cells[self.alternate]
        if character == "\r":
            place[1] = 0
        elif character == "\n":
            place[0] += 1
            if self.alternate:
                ok(place[0] < self.rows, "the picture is higher than the screen")
        else:
            ok(character.isprintable(), f"{character!r} is sent")
            ok(place[1] < self.columns, f"a line is wider than the screen: {self.lines()}")
            while len(cells) <= place[0]:
                cells.append([])
            line = cells[place[0]]
            line += " " * (place[1] + 1 - len(line))
            line[place[1]] = character
            place[1] += 1

    def lines(self, alternate=None):
        cells = self.cells[self.alternate if alternate is None else alternate]
        return ["".join(line).rstrip() for line in cells]

    def fits(self, columns, rows):
        """Would what stands there stand on a screen of that size?"""
        return len(self.lines()) <= rows and all(len(line) <= columns for line in self.lines())

    def text(self, alternate=None):
        return "\n".join(self.lines(alternate))


class Shown:
    """A program whose terminal this is."""

    def __init__(self, t, args, env, columns=100, rows=24):
        self.t = t
        self.screen = Screen(columns, rows)
        self.ours, theirs = pty.openpty()
        self.size(columns, rows)
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        full = environment({"TERM": "xterm", **env})
        for name in ("NO_COLOR", "LC_CTYPE", "LANG"):
            full.pop(name, None)

        def begin():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            die_with_parent()
        self.process = subprocess.Popen(words(t, *args), stdin=theirs, stdout=theirs, stderr=theirs,
                                        env=full, preexec_fn=begin)
        t.cleanup.append(self.end)

    def size(self, columns, rows):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        """As a person does it: the program is told by SIGWINCH. What was drawn for the old size
        and not yet read is read with the old one."""
        self.read(0.05)
        self.screen.columns = max(self.screen.columns, columns)
        self.screen.rows = max(self.screen.rows, rows)
        self.size(columns, rows)

    def read(self, seconds):
        """Takes what comes within that time; False when the program has ended."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.ours, 65536)
        except OSError:
            return False
        self.screen.feed(data)
        return bool(data)

    def until(self, condition, what):
        deadline = time.monotonic() + 20 * self.t.slow
        while not condition(self.screen):
            ok(time.monotonic() < deadline, f"not in time: {what}; the screen:\n{self.screen.text()}")
            self.read(0.1)

    def shows(self, *texts):
        self.until(lambda screen: all(text in screen.text() for text in texts), f"{texts}")

    def type(self, keys):
        os.write(self.ours, keys)

    def ends(self, code):
        deadline = time.monotonic() + 20 * self.t.slow
        while self.process.poll() is None:
            ok(time.monotonic() < deadline, f"still running; the screen:\n{self.screen.text()}")
            self.read(0.02)
        while select.select([self.ours], [], [], 0)[0] and self.read(0):
            pass
        eq(self.process.returncode, code, "exit code")
        ok(not self.screen.alternate, "the ordinary screen is back")
        ok(self.screen.cursor_shown, "the cursor is back")
        eq(termios.tcgetattr(self.theirs), self.before, "the terminal's modes")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)
