/*
 * confine: a host process gives up what a computing stage has no use for.
 *
 * It dies with the server (PR_SET_PDEATHSIG), leaves no core, gains no rights by exec
 * (no-new-privs), has a bounded stack and, where asked for, bounded memory. The kernel's
 * filter (seccomp) refuses, with EPERM, to start other programs and processes, to signal,
 * trace or look into others, to mount, to change namespaces, users, modules, clocks or the
 * machine, and to load BPF. Files, sockets, threads and memory are left alone: stages use
 * them. docs/isolation.md has the list for people.
 *
 * Thread: the host's first one, before the stage's code is loaded.
 */
#ifndef LEAT_ISOLATE_CONFINE_H
#define LEAT_ISOLATE_CONFINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Ends the process when the server is gone already. -1 when the kernel cannot do it. */
int confine_to_parent(pid_t parent);
/* Limits of stack, core, and memory: so much more than there is now; 0: no bound. */
void confine_memory(uint64_t bytes);
/* False where the kernel has no filter: `err` says why, and the stage runs without. */
bool confine_calls(struct error *err);

/* The memory that counts against the bound, in bytes; 0 when it cannot be told. `statm` is a
 * descriptor of /proc/self/statm. */
uint64_t confine_memory_used(int statm);

#endif
