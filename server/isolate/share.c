#include "isolate/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "job/text.h"

#define PAGE       ((size_t)4096)
#define SEALS      (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define FD_LOW     16         /* above those that a host is given as 0 to 5 */
#define KEEP_BYTES (2u << 20) /* of texts that stay in memory between batches */

static size_t pages(size_t bytes)
{
	return (bytes + PAGE - 1) & ~(PAGE - 1);
}

#define ORDER_TEXTS  (pages(sizeof(struct share_order)) + SHARE_HEAD)
#define REPORT_TEXTS (pages(sizeof(struct share_report)) + SHARE_HEAD)

/* ---- making and mapping ---- */

static int fail(struct error *err, const char *what)
{
	return error_set(err, error_is_shortage(errno) ? ERR_BUSY : ERR_INTERNAL,
		"the memory shared with a stage's process: %s: %s", what, strerror(errno));
}

static int make_fd(const char *name, size_t bytes, struct error *err)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), high;

	if (fd < 0)
		return fail(err, "memfd_create");
	high = fcntl(fd, F_DUPFD_CLOEXEC, FD_LOW);
	close(fd);
	if (high < 0)
		return fail(err, "dup");
	if (ftruncate(high, (off_t)bytes) == 0 && fcntl(high, F_ADD_SEALS, SEALS) == 0)
		return high;
	fail(err, "its size");
	close(high);
	return -1;
}

/* With a page on either side that nobody may touch: who runs over the end is stopped there. */
static void *map_guarded(int fd, size_t bytes, int protection)
{
	char *all = mmap(NULL, bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (all == MAP_FAILED)
		return NULL;
	if (mmap(all + PAGE, bytes, protection, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
		return all + PAGE;
	munmap(all, bytes + 2 * PAGE);
	return NULL;
}

static void unmap_guarded(void *at, size_t bytes)
{
	if (at != NULL)
		munmap((char *)at - PAGE, bytes + 2 * PAGE);
}

static int map_both(struct share *share, int order_protection, struct error *err)
{
	char *order = map_guarded(share->order_fd, share->order_bytes, order_protection);
	char *report =
		map_guarded(share->report_fd, share->report_bytes, PROT_READ | PROT_WRITE);

	if (order == NULL || report == NULL) {
		fail(err, "mmap");
		unmap_guarded(order, share->order_bytes);
		unmap_guarded(report, share->report_bytes);
		return -1;
	}
	share->order = (struct share_order *)order;
	share->report = (struct share_report *)report;
	share->order_texts = order + ORDER_TEXTS;
	share->report_texts = report + REPORT_TEXTS;
	share->order_size = (uint32_t)(share->order_bytes - ORDER_TEXTS);
	share->report_size = (uint32_t)(share->report_bytes - REPORT_TEXTS);
	return 0;
}

int share_init(struct share *share, uint64_t item_max, uint64_t output_max, struct error *err)
{
	/* Any stage's input was an item that came in, or what a stage before it has put out. */
	uint64_t input = MAX(item_max, output_max);

	*share = (struct share){ .order_fd = -1, .report_fd = -1 };
	/* A NUL behind each of them. */
	share->order_bytes = pages(ORDER_TEXTS + SHARE_TEXT_SOFT + SHARE_ITEMS_MAX + input + 1);
	share->report_bytes = pages(REPORT_TEXTS + SHARE_TEXT_SOFT + SHARE_PIECES_SOFT +
				    output_max + SHARE_PIECES_MAX);
	share->order_fd = make_fd("leat-order", share->order_bytes, err);
	share->report_fd =
		share->order_fd < 0 ? -1 : make_fd("leat-report", share->report_bytes, err);
	if (share->report_fd >= 0 && map_both(share, PROT_READ | PROT_WRITE, err) == 0)
		return 0;
	share_done(share);
	return -1;
}

static size_t size_of(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) < 0 ? 0 : (size_t)stat.st_size;
}

int share_map(struct share *share, int order_fd, int report_fd, struct error *err)
{
	*share = (struct share){ .order_fd = order_fd,
		.report_fd = report_fd,
		.order_bytes = size_of(order_fd),
		.report_bytes = size_of(report_fd) };
	if (share->order_bytes <= ORDER_TEXTS || share->report_bytes <= REPORT_TEXTS) {
		error_set(err, ERR_INTERNAL, "descriptors %d and %d are not the server's",
			order_fd, report_fd);
		share_done(share);
		return -1;
	}
	if (map_both(share, PROT_READ, err) == 0)
		return 0;
	share_done(share);
	return -1;
}

void share_done(struct share *share)
{
	unmap_guarded(share->order, share->order_bytes);
	unmap_guarded(share->report, share->report_bytes);
	if (share->order_fd >= 0)
		close(share->order_fd);
	if (share->report_fd >= 0)
		close(share->report_fd);
	*share = (struct share){ .order_fd = -1, .report_fd = -1 };
}

int share_order_readonly(const struct share *share)
{
	char path[64];
	int fd, high;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", share->order_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	high = fcntl(fd, F_DUPFD_CLOEXEC, FD_LOW);
	close(fd);
	return high;
}

/* Behind what a batch of small items needs. A kernel that cannot keeps them: no harm. */
static void trim(int fd, size_t texts, size_t bytes)
{
	size_t from = pages(texts + KEEP_BYTES);

	if (from < bytes)
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
			(off_t)(bytes - from));
}

void share_trim(struct share *share)
{
	if (share->order_swollen)
		trim(share->order_fd, ORDER_TEXTS, share->order_bytes);
	if (share->report_swollen)
		trim(share->report_fd, REPORT_TEXTS, share->report_bytes);
	share->order_swollen = share->report_swollen = false;
}

/* ---- reading what the host says ---- */

/* One load of each number: what is checked is what is used, whatever is written meanwhile. */
static uint32_t load(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

bool share_read_outcome(const struct share *share, unsigned index, uint32_t pieces_from,
	struct share_outcome *ret)
{
	const struct share_outcome *from = &share->report->outcomes[index];

	ret->fate = load(&from->fate);
	ret->kind = load(&from->kind);
	ret->first = load(&from->first);
	ret->count = load(&from->count);
	if (ret->fate == SHARE_FAILED)
		return true;
	return ret->fate == SHARE_DONE && ret->first == pieces_from &&
	       ret->count <= SHARE_PIECES_MAX &&
	       ret->first <= ARRAY_SIZE(share->report->pieces) - ret->count;
}

bool share_read_piece(
	const struct share *share, uint32_t index, uint32_t texts_from, struct share_piece *ret)
{
	const struct share_piece *from = &share->report->pieces[index];

	ret->off = load(&from->off);
	ret->len = load(&from->len);
	if (ret->off == SHARE_INPUT)
		return true;
	return ret->len > 0 && ret->len <= share->report_size && ret->off >= texts_from &&
	       ret->off <= share->report_size - ret->len;
}

void share_read_why(const struct share *share, unsigned index, char ret[static SHARE_WHY_MAX])
{
	memcpy(ret, share->report->why[index], SHARE_WHY_MAX);
	ret[SHARE_WHY_MAX - 1] = '\0';
	text_clean(ret);
}
