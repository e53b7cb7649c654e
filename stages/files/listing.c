#include "listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "glob.h"
#include "stage_csv_field.h"

/* A walk through the folders. */
struct walk {
	struct listing *listing;
	const char *pattern;
	size_t max;
	struct stage_ctx *ctx;
	struct trouble *trouble;
	char path[PATH_MAX];
};

static int add(struct walk *walk)
{
	struct listing *listing = walk->listing;
	char *path;

	if (listing->count == walk->max)
		return trouble_set(walk->trouble, STAGE_PERMANENT,
			"more than %zu files match, which files_max of the server allows",
			walk->max);
	if (listing->count == listing->capacity) {
		size_t capacity = listing->capacity * 2 + 64;
		char **paths = realloc(listing->paths, capacity * sizeof(*paths));

		if (paths == NULL)
			return trouble_memory(walk->trouble);
		listing->paths = paths;
		listing->capacity = capacity;
	}
	path = strdup(walk->path);
	if (path == NULL)
		return trouble_memory(walk->trouble);
	listing->paths[listing->count++] = path;
	return 0;
}

/* What the entry is, DT_UNKNOWN when it is gone. */
static unsigned char type_of(DIR *folder, const struct dirent *entry)
{
	struct stat stat;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type;
	if (fstatat(dirfd(folder), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_UNKNOWN;
	return (unsigned char)IFTODT(stat.st_mode);
}

static bool can_be_shown(const char *path)
{
	size_t len = strlen(path);

	for (size_t at = 0; at < len; at++)
		if ((unsigned char)path[at] < 0x20)
			return false;
	return stage_csv_utf8_(path, len) == len;
}

static int walk_folder(struct walk *walk, DIR *folder, size_t len, unsigned depth);

static int walk_into(
	struct walk *walk, DIR *folder, const char *name, size_t len, unsigned depth)
{
	int file = openat(dirfd(folder), name,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	DIR *inner = file < 0 ? NULL : fdopendir(file);
	int result, err = errno;

	if (inner == NULL) {
		if (file >= 0)
			close(file);
		if (file < 0 && (err == ENOENT || err == ELOOP || err == ENOTDIR))
			return 0; /* something else has come in its place */
		return trouble_set(walk->trouble, trouble_kind(err), "folder %.150s: %s",
			walk->path, strerror(err));
	}
	result = walk_folder(walk, inner, len, depth + 1);
	closedir(inner);
	return result;
}

static int visit(
	struct walk *walk, DIR *folder, const struct dirent *entry, size_t len, unsigned depth)
{
	unsigned char type = type_of(folder, entry);
	size_t name_len = strlen(entry->d_name);
	bool matches;

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		type == DT_UNKNOWN)
		return 0;
	if (len + name_len + 2 > sizeof(walk->path))
		return trouble_set(walk->trouble, STAGE_PERMANENT,
			"a path is longer than %d bytes", PATH_MAX - 1);
	memcpy(walk->path + len, entry->d_name, name_len + 1);
	if (type == DT_DIR && !glob_reaches(walk->pattern, walk->path))
		return 0;
	if (type == DT_DIR && depth == GLOB_DEPTH_MAX)
		return trouble_set(walk->trouble, STAGE_PERMANENT,
			"folders are more than %d deep", GLOB_DEPTH_MAX);
	if (type == DT_DIR)
		return walk_into(walk, folder, entry->d_name, len + name_len, depth);
	matches = glob_matches(walk->pattern, walk->path);
	if (matches && type == DT_REG && !can_be_shown(walk->path))
		return trouble_set(walk->trouble, STAGE_PERMANENT,
			"a file matches whose name is not UTF-8 or has control characters; rename "
			"it, or give a pattern that does not mean it");
	if (matches && type == DT_REG)
		return add(walk);
	walk->listing->others += matches;
	return 0;
}

static int walk_folder(struct walk *walk, DIR *folder, size_t len, unsigned depth)
{
	struct dirent *entry;
	int result = 0;

	if (len > 0)
		walk->path[len++] = '/';
	for (;;) {
		errno = 0;
		entry = readdir(folder);
		if (entry == NULL)
			break;
		if (stage_cancelled(walk->ctx))
			return trouble_set(walk->trouble, STAGE_TRANSIENT, "called off");
		result = visit(walk, folder, entry, len, depth);
		if (result < 0)
			return -1;
	}
	if (errno != 0)
		return trouble_set(walk->trouble, trouble_kind(errno),
			"a folder cannot be read: %s", strerror(errno));
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int listing_make(struct listing *listing, int root, const char *pattern, size_t max,
	struct stage_ctx *ctx, struct trouble *trouble)
{
	struct walk walk = { .listing = listing,
		.pattern = pattern,
		.max = max,
		.ctx = ctx,
		.trouble = trouble };
	int file = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = file < 0 ? NULL : fdopendir(file);
	int result, err = errno;

	if (folder == NULL) {
		if (file >= 0)
			close(file);
		return trouble_set(trouble, trouble_kind(err), "the root: %s", strerror(err));
	}
	result = walk_folder(&walk, folder, 0, 1);
	closedir(folder);
	if (result < 0) {
		listing_done(listing);
		return -1;
	}
	if (listing->count > 0)
		qsort(listing->paths, listing->count, sizeof(char *), by_path);
	return 0;
}

void listing_done(struct listing *listing)
{
	for (size_t at = 0; at < listing->count; at++)
		free(listing->paths[at]);
	free(listing->paths);
	*listing = (struct listing){ 0 };
}

size_t listing_find(const struct listing *listing, const char *path)
{
	size_t low = 0, high = listing->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(listing->paths[middle], path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
