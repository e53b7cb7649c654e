"""Ledgers with flipped bits and cut tails.

Whatever is damaged: `leat fsck` names it or it is harmless; the server refuses in words or
serves, and what it serves is what was put in; after `leat fsck --repair` it serves the rest.
"""

import shutil

from keeping import *

PAGE = 4096


class Specimen:
    """A ledger with jobs in every state, in the newest format, and what it answers."""

    def __init__(self, t):
        self.t = t
        data, self.told = fixture(t, formats()[-1])
        server, api = over(t, data)
        self.before = {name: self.ask(api, was) for name, was in self.told.items()}
        server.kill()
        with open(os.path.join(data, "data.mdb"), "rb") as file:
            self.bytes = file.read()
        self.tally = {}

    @staticmethod
    def ask(api, was):
        """What a client sees of a job that is over; of the others only how they stand."""
        path = f"/v1/jobs/{was['id']}"
        job = api.get(path)
        answer = {"job": job.status, "state": None, "error": None}
        if job.status == 200:
            body = job.json()
            answer.update(state=body["state"], error=body["error"], done=body["done"],
                          counts=body["counts"], stalled=body.get("stalled"))
        if was["done"]:
            for what in ("results", "failures"):
                try:
                    reply = api.get(f"{path}/{what}")
                    answer[what] = (reply.status, digest(reply.body))
                except Closed:  # damage was met in the middle: the reply is cut off
                    answer[what] = (0, None)
                    api.close()
        return answer

    def count(self, what):
        self.tally[what] = self.tally.get(what, 0) + 1

    def put(self, changed):
        data = folder(self.t)
        with open(os.path.join(data, "data.mdb"), "wb") as file:
            file.write(changed)
        return data

    def compare(self, api, what):
        """Answers whether all of it is as it was; wrong data are an error."""
        same = True
        for name, was in self.told.items():
            now, then = self.ask(api, was), self.before[name]
            if was["done"]:
                for part in ("results", "failures"):
                    if now[part][0] == 200 and now[part] != then[part] and not now["error"]:
                        raise AssertionError(f"{what}: wrong {part} of {name}: {now}")
                    same = same and now[part] == then[part]
                if now["job"] == 200 and now["counts"] != then["counts"] and not now["error"]:
                    raise AssertionError(f"{what}: wrong counts of {name}: {now}")
                same = same and now["state"] == then["state"]
            elif now["job"] == 200 and not now["done"]:
                ok(now["counts"]["succeeded"] >= was["counts"]["succeeded"], f"{what}: {name}")
                same = same and now["stalled"] == then["stalled"]
            else:
                same = same and now["job"] == 200 and now["state"] == "succeeded"
        return same

    def serve(self, data, what):
        """Answers "refused", "same" or "less"."""
        server = self.t.server({"map-size": 64 << 20}, data=data, start=False)
        server.spawn()
        found = server.log.wait(r"event=listening\b.*\bport=(\d+)", 30 * self.t.slow)
        if found is None:
            code = server.process.wait()
            text = "\n".join(server.log.lines)
            eq(code, 1, f"{what}: refused, not crashed:\n{text}")
            ok("leat fsck" in text or "newer leat" in text, f"{what}: words in {text}")
            server.remove()
            return "refused"
        server.port = int(found.group(1))
        api = self.t.client(server)
        same = self.compare(api, what)
        ok(server.running(), f"{what}: the server lives\n{server.log.tail()}")
        api.close()
        server.kill()
        text = server.report_text()
        ok(not text, f"{what}: {text}")
        server.remove()
        return "same" if same else "less"

    def try_one(self, changed, what):
        data = self.put(changed)
        checked = leat(self.t, "fsck", "--data", data).exits(0, 1)
        served = self.serve(data, what)
        if served != "same":
            eq(checked.code, 1, f"{what}: {served}, but fsck says\n{checked.out.decode()}")
        self.count(("whole" if checked.code == 0 else "named") + ", " + served)
        if checked.code == 1 and self.t.random.random() < 0.5:
            self.repair(changed, what)
        shutil.rmtree(data, ignore_errors=True)

    def repair(self, changed, what):
        data = self.put(changed)
        done = leat(self.t, "fsck", "--data", data, "--repair").exits(0, 1)
        if done.code == 0:
            leat(self.t, "fsck", "--data", data).exits(0).says("whole")
            ok(self.serve(data, what) != "refused", f"{what}: repaired, and refused")
            self.count("repaired")
        else:
            done.says("cannot be read")
            self.count("beyond repair")
        shutil.rmtree(data, ignore_errors=True)


def structural(rng, content):
    """A byte of a page's head, of its offsets or its keys rather than of some long text."""
    pages = len(content) // PAGE
    for _ in range(1000):
        page = rng.randrange(pages)
        flags = int.from_bytes(content[page * PAGE + 10:page * PAGE + 12], "little")
        if flags & 0xF and not flags & 4:
            at = page * PAGE + rng.randrange(PAGE)
            if content[at] or rng.random() < 0.05:
                return at
    return rng.randrange(len(content))


def flips(t, specimen, count):
    for number in range(count):
        at = structural(t.random, specimen.bytes) if number % 4 else \
            t.random.randrange(len(specimen.bytes))
        bit = t.random.randrange(8)
        changed = bytearray(specimen.bytes)
        changed[at] ^= 1 << bit
        specimen.try_one(bytes(changed), f"bit {bit} of byte {at} (page {at // PAGE})")


@timeout(900)
def test_a_flipped_bit_is_named_or_harmless(t):
    specimen = Specimen(t)
    eq(specimen.serve(specimen.put(specimen.bytes), "nothing"), "same")
    flips(t, specimen, 40 if t.quick else 800)
    t.note(specimen.tally)
    ok(sum(n for what, n in specimen.tally.items() if what.startswith("named")) > 10,
       f"most were hits: {specimen.tally}")


@timeout(900)
def test_a_cut_tail_is_named_or_harmless(t):
    specimen = Specimen(t)
    size = len(specimen.bytes)
    for number in range(10 if t.quick else 100):
        cut = t.random.choice([size - 1, size - PAGE, size // 2, 3 * PAGE, PAGE + 7, 100,
                               t.random.randrange(size)])
        specimen.try_one(specimen.bytes[:cut], f"cut to {cut} bytes")
    t.note(specimen.tally)


@timeout(900)
def test_a_page_of_noise_is_named_or_harmless(t):
    specimen = Specimen(t)
    for number in range(10 if t.quick else 150):
        page = t.random.randrange(len(specimen.bytes) // PAGE)
        noise = b"\0" * PAGE if number % 2 else t.random.randbytes(PAGE)
        changed = specimen.bytes[:page * PAGE] + noise + specimen.bytes[(page + 1) * PAGE:]
        specimen.try_one(changed, f"page {page} is {'zeros' if number % 2 else 'noise'}")
    t.note(specimen.tally)
