"""The n-th allocation of a scene fails: the scene is played again and again on one server, and
each time another allocation fails, or three in a row, or all for a moment."""

import scenes
from support.leat import *
from support.other_ways import Certificates, TlsApi, needs_openssl, trusting

QUICK, MANY = 6, 100  # numbers of a scene in the quick run, and in the other; or --rounds; 0: all
MOMENT = 0.1  # seconds for which all fail


class Walk:
    """`counter(t, server)` is what steers the server's allocations."""

    def __init__(self, t, scene, counter):
        self.t, self.scene, self.counter = t, scene, counter
        self.wrong, self.hit, self.refused = [], 0, 0
        self.server = self.memory = None
        self.outside = scenes.Outside(t)
        self.options = {"compute": 2, "flush-ms": 1, "stages-d": self.outside.folder}
        self.start()

    def client(self):
        return self.t.client(self.server)

    def start(self):
        self.server = self.t.server(self.options, start=False)
        self.memory = self.counter(self.t, self.server)
        self.memory.count()
        self.server.env.update(self.memory.environment())
        self.server.start()

    def play(self):
        play = scenes.Play(self.t, self.client(), self.outside)
        try:
            self.scene(play)
        finally:
            self.memory.disarm()
            play.close()
        self.refused += len(play.refused) > 0
        return play

    def jobs(self):
        api = self.client()
        try:
            return [Job(api, found["id"]) for found in api.jobs(limit=1000)["items"]]
        finally:
            api.close()

    def measure(self):
        """How many allocations the scene makes: the most of three times, the first left out."""
        counts = []
        for _ in range(4):
            self.memory.count()
            self.play()
            counts.append(self.memory.counted)
        return max(counts[1:])

    def nothing_is_left(self, unheard):
        """Who was refused has no job; who did not hear the reply may have one."""
        try:
            until(lambda: len(self.jobs()) <= unheard, 10 * self.t.slow, "")
        except AssertionError:
            raise AssertionError(f"{[job.get() for job in self.jobs()]} stands, which was refused "
                                 f"or removed:\n{self.server.log.tail(12)}") from None
        for job in self.jobs():
            job.delete()

    def one(self, number, many):
        helper = threading.Timer(MOMENT * self.t.slow, self.memory.disarm)
        self.memory.arm(number, many)
        if many == 0:
            helper.start()
        play = self.play()
        if many == 0:
            helper.join()
        self.hit += self.memory.failed > 0
        self.server.check()
        self.nothing_is_left(play.unheard)

    def go(self, tries):
        for number, many in tries:
            try:
                self.one(number, many)
            except Exception as error:  # the next number may say more
                self.wrong.append(f"allocation {number} ({many or 'and all behind it'}): "
                                  f"{type(error).__name__}: {str(error)[:300]} … {str(error)[-900:]}")
                if len(self.wrong) >= 8:
                    break
                self.again()

    def again(self):
        """After what went wrong: a server with nothing on it."""
        self.memory.disarm()
        self.server.remove()
        self.start()

    def end(self, tried):
        """The server ends by itself, with nothing that a sanitizer has to say."""
        self.server.stop()
        ok(not self.server.reports(), self.server.report_text())
        self.t.note(f"{tried} allocations walked, {self.hit} failed, {self.refused} times "
                    "something was refused")
        ok(not self.wrong, f"{len(self.wrong)} went wrong:\n" + "\n".join(self.wrong))
        ok(self.hit > 0, "no allocation has failed")


class TlsWalk(Walk):
    """The same over TLS."""

    def __init__(self, t, scene, counter):
        needs_openssl(t)
        self.certificates = Certificates(t.folder())
        super().__init__(t, scene, counter)

    def client(self):
        api = TlsApi(self.server, trusting(self.certificates.ca))
        self.t.cleanup.append(api.close)
        return api

    def start(self):
        cert, key = self.certificates.sign("server", "localhost")
        self.options.update({"tls-cert": cert, "tls-key": key})
        super().start()


def tries(t, count):
    """(the first that fails, how many: 0 is all for a moment). All numbers one by one, or some of
    them; in the long run of five one for a moment and one with the two behind it."""
    some = t.settings.rounds if t.settings.rounds is not None else QUICK if t.quick else MANY
    if some == 0 or some >= count:
        return [(number, 1) for number in range(1, count + 1)]
    t.note(f"seed {t.seed}: {some} of {count}")
    picked = sorted(t.random.sample(range(1, count + 1), some))
    if t.quick:
        return [(number, 1) for number in picked]
    return [(number, {0: 0, 1: 3}.get(at % 5, 1)) for at, number in enumerate(picked)]


def walked(t, scene, counter, of=Walk):
    if not t.quick:
        os.environ.pop("LEAT_TRAFFIC", None)  # every n would say the same again
    walk = of(t, scene, counter)
    found = tries(t, walk.measure())
    walk.go(found)
    walk.end(len(found))


def need_faults(t):
    if not proc.mentions(t.settings.program, "LEAT_FAULT_CONTROL"):
        t.skip("the program was not built with -Dfaults=true")


def tests_of(name, counter, space, need=lambda t: None):
    """A test of each scene, into a module's names."""
    def test_of(scene):
        @timeout(1800)
        def test(t):
            need(t)
            walked(t, scene, counter)
        test.__name__ = f"test_{name}_of_{scene.__name__}"
        return test
    for scene in scenes.SCENES:
        test = test_of(scene)
        space[test.__name__] = test
