"""The n-th allocation of anything in the process fails, of libraries and stages too, for n of every
scene; all of them by --rounds 0. What must hold is what holds where only ours do."""

import scenes
import turns
from faultmem import Malloc
from support.leat import *
from walk import TlsWalk, tests_of, walked


def counter(t, server):
    return Malloc(t)


tests_of("malloc_walk", counter, globals())


@timeout(1800)
def test_malloc_walk_of_plain_over_tls(t):
    """Not libtasn1's: that does not survive one, see server/http/listener.c."""
    def spared(t, server):
        server.env["LEAT_FAULTMALLOC_SPARE"] = "libtasn1"
        return Malloc(t)
    walked(t, scenes.plain, spared, TlsWalk)


@timeout(600)
def test_malloc_walk_of_tokens_read_again(t):
    turns.reload_walked(t, counter)


@timeout(1200)
def test_malloc_walk_of_a_start(t):
    turns.start_walked(t, counter)


@timeout(1200)
def test_malloc_walk_of_a_stop(t):
    turns.stop_walked(t, counter)
