/*
 * host: one supervised process that runs a stage, seen from the server.
 *
 *	host_start ─► host_tell(HOST_SETUP) ─► HOST_OPENED
 *	           ─► (host_tell(HOST_RUN) ─► HOST_DONE)*  ─► host_end
 *
 * What is to be done and what came of it lies in the shared memory (share.h); the socket only
 * wakes: a word of one byte each way, lines for the log, counts, and the end of the file when
 * the process is gone, however it went.
 *
 * Owner: one thread at a time. Thread: host_stir() any.
 */
#ifndef LEAT_ISOLATE_HOST_H
#define LEAT_ISOLATE_HOST_H

#include "isolate/share.h"
#include "isolate/spawner.h"

/* Descriptors that the process finds. */
enum { HOST_FD_SOCKET = 3, HOST_FD_ORDER = 4, HOST_FD_REPORT = 5, HOST_FD_FREE = 6 };

/* First byte of a message; what follows is text. */
enum host_word {
	HOST_SETUP = 'S',   /* to the host: what you are is in the order */
	HOST_RUN = 'R',     /* a batch is in the order */
	HOST_QUIT = 'Q',    /* close the stage and end */
	HOST_OPENED = 'O',  /* from the host: ready for batches */
	HOST_REFUSED = 'F', /* the stage did not open: why */
	HOST_DONE = 'D',    /* the report is written: the number of the order's round */
	HOST_LOG = 'L',     /* a line for the log */
	HOST_COUNT = 'C',   /* so many of an event of the stage's own */
	/* Of host_wait() alone. */
	HOST_DIED = 1, /* the process is gone, or has let go of its socket */
	HOST_LATE,     /* the time is over */
	HOST_STIRRED,  /* host_stir() was called */
	HOST_NONSENSE, /* a message that is none of these */
};

#define HOST_TEXT_MAX 700

struct host {
	struct share share;
	int socket, stir;
	pid_t pid; /* 0: none */
	bool dead; /* and buried: only the memory is left */
	int status;
	char text[HOST_TEXT_MAX + 1]; /* of the last message that had one */
};

void host_init(struct host *host);
/* Runs `program stage-host NAME`, which finds the shared memory. The host was not running. */
int host_start(struct host *host, struct spawner *spawner, const char *program,
	const char *name, uint64_t item_max, uint64_t output_max, struct error *err);
static inline bool host_is_running(const struct host *host)
{
	return host->pid != 0 && !host->dead;
}
/* -1 when it is gone; host_wait() and host_end() tell how. */
int host_tell(struct host *host, enum host_word word);
/* Has it said nothing that nobody asked for? Lines for the log go. Before a word is sent. */
bool host_is_quiet(struct host *host);
/* The next thing that happens, at the latest at `until_ns` (monotonic; 0: whenever). */
enum host_word host_wait(struct host *host, uint64_t until_ns);
/* Whoever is in host_wait() looks up. Thread: any, while it runs. */
void host_stir(struct host *host);
/* Kill what still runs; the shared memory stays to be read. Returns how it ended, as waitpid()
 * says it. */
int host_kill(struct host *host);
/* The same, and let go of all. */
int host_end(struct host *host);

/* "died (SIGSEGV)", "ended its process (exit code 3)"; `ret` of `size` bytes. */
void host_describe_end(int status, char *ret, size_t size);

#endif
