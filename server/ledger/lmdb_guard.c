#include "ledger/lmdb_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ledger/pages_format.h"

static struct sigaction before;
static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Where this thread goes on; NULL: it is not prepared. */
static _Thread_local sigjmp_buf *volatile home;
static _Thread_local struct lmdb_writing *volatile writing_here;

/* ---- the page in the place of one that is missing ---- */

static size_t page_size;
static int stand_in_fd = -1; /* the page; -1: there is none, and who writes dies */
static int nowhere_fd = -1;  /* neither writes nor syncs */

struct stand_in {
	struct page_head head;
	uint16_t offset, unused[3];
	struct node_head node;
};

/* LMDB's pages may be smaller than the system's: there is one at each of their beginnings. */
#define LMDB_PAGE_MIN 4096u

static int make_stand_in(void)
{
	const uint16_t full = offsetof(struct stand_in, unused);
	const struct stand_in page = {
		/* No room is left: LMDB can merge nothing into it. */
		.head = { .lower = full, .upper = full },
		.offset = offsetof(struct stand_in, node),
		/* Nor this into anything; as a value of many pages its bytes are not looked
		   for. */
		.node = { .flags = NODE_OVERFLOW, .key_len = UINT16_MAX - 1 },
	};
	int fd = memfd_create("leat-stand-in", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)page_size) != 0)
		goto failed;
	for (size_t at = 0; at < page_size; at += LMDB_PAGE_MIN)
		if (pwrite(fd, &page, sizeof(page), (off_t)at) != (ssize_t)sizeof(page))
			goto failed;
	return fd;
failed:
	if (fd >= 0)
		close(fd);
	return -1;
}

/* In a signal's handler. False: this thread cannot go on. */
static bool stand_in(struct lmdb_writing *writing, const void *address)
{
	char *page = (char *)((uintptr_t)address & ~(uintptr_t)(page_size - 1));
	bool ours = writing->map != NULL &&
		    (uintptr_t)address - (uintptr_t)writing->map < writing->map_size;
	int kept = errno;
	bool done = ours && stand_in_fd >= 0 && nowhere_fd >= 0 &&
		    dup3(nowhere_fd, writing->fd, O_CLOEXEC) == writing->fd;

	if (done) {
		atomic_store(&writing->spoilt, true);
		done = mmap(page, page_size, PROT_READ, MAP_SHARED | MAP_FIXED, stand_in_fd,
			       0) == page;
	}
	errno = kept;
	return done;
}

/* ---- the signal ---- */

static void on_bus(int number, siginfo_t *info, void *context)
{
	sigjmp_buf *to = home;
	struct lmdb_writing *writing = writing_here;
	bool fault = info->si_code > 0; /* one that was sent is meant to end the process */

	(void)context;
	if (to != NULL && fault) {
		home = NULL;
		siglongjmp(*to, 1);
	}
	if (writing != NULL && fault && stand_in(writing, info->si_addr))
		return; /* to the same instruction, which finds a page now */
	/* Back to what stood there before, and on to the same instruction. */
	sigaction(number, &before, NULL);
	if (!fault)
		raise(number);
}

static void init(void)
{
	/* Not blocked while it is handled: it is left by a jump. */
	struct sigaction action = { .sa_sigaction = on_bus,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK };

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	stand_in_fd = make_stand_in();
	nowhere_fd = open("/", O_PATH | O_CLOEXEC);
	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, &before);
}

void lmdb_guard_init(void)
{
	pthread_once(&once, init);
}

int lmdb_guarded(int (*read)(void *arg), void *arg)
{
	sigjmp_buf here;
	int code;

	if (sigsetjmp(here, 0) != 0)
		return LMDB_UNREADABLE;
	home = &here;
	code = read(arg);
	home = NULL;
	return code;
}

void lmdb_guard_writing(struct lmdb_writing *writing)
{
	writing_here = writing;
}
