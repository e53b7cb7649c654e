"""The n-th allocation of the program fails (a build with -Dfaults=true), for n of every scene, of
a reload, a start and a stop; all of them by --rounds 0. Each reply is the right one or a refusal,
what was refused succeeds when it is tried again, what was acknowledged stands once, and the server
lives and gives everything back."""

import turns
from faultmem import FaultMem
from support.leat import *
from walk import need_faults, tests_of


def counter(t, server):
    return FaultMem(server.folder)


tests_of("memory_walk", counter, globals(), need_faults)


@timeout(600)
def test_memory_walk_of_tokens_read_again(t):
    need_faults(t)
    turns.reload_walked(t, counter)


@timeout(1200)
def test_memory_walk_of_a_start(t):
    need_faults(t)
    turns.start_walked(t, counter)


@timeout(1200)
def test_memory_walk_of_a_stop(t):
    need_faults(t)
    turns.stop_walked(t, counter)
