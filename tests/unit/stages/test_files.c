/* What the source `files` is made of: patterns, and files read record by record. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "files/glob.h"
#include "files/records.h"

#define FILE_NAME "file"
#define LINE_MAX_ 200

/* The engine's side. */
int stage_cancelled(struct stage_ctx *ctx)
{
	return 0;
}

static uint64_t seed = 1;

static unsigned below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* ---- patterns ---- */

Test(glob, means_what_it_says)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} rows[] = {
		{ "a", "a", true },
		{ "a", "ab", false },
		{ "a", "a/b", false },
		{ "*", "a", true },
		{ "*", "a/b", false },
		{ "*", ".a", false },
		{ ".*", ".a", true },
		{ "*/*", "a/b", true },
		{ "a*c", "abbc", true },
		{ "a*c", "abcb", false },
		{ "*a*a*", "banana", true },
		{ "?", "é", true },
		{ "??", "é", false },
		{ "[a-c]x", "bx", true },
		{ "[!a-c]x", "bx", false },
		{ "[]]x", "]x", true },
		{ "[a-]x", "-x", true },
		{ "**", "a", true },
		{ "**", "a/b/c", true },
		{ "**", "a/.b/c", false },
		{ "**/c", "c", true },
		{ "**/c", "a/b/c", true },
		{ "**/c", "a/b/d", false },
		{ "a/**/c", "a/c", true },
		{ "a/**/c", "a/x/y/c", true },
		{ "a/**/c", "b/x/c", false },
		{ "**/b/**/d", "a/b/c/d", true },
		{ "**/b/**/d", "a/c/d", false },
		{ "a**", "abc", true },
		{ "a/**", "a", false },
	};

	for (size_t at = 0; at < sizeof(rows) / sizeof(rows[0]); at++) {
		cr_expect(glob_check(rows[at].pattern) == NULL, "%s", rows[at].pattern);
		cr_expect(glob_matches(rows[at].pattern, rows[at].path) == rows[at].matches,
			"%s and %s", rows[at].pattern, rows[at].path);
	}
}

/* What matches must be reached: else the walk would leave it out. */
Test(glob, reaches_every_folder_of_what_it_matches)
{
	static const char letters[] = "ab*?[]!-/.*/";

	for (unsigned n = 0; n < 300000; n++) {
		char pattern[12] = "", path[10] = "", *slash;
		unsigned pattern_len = below(sizeof(pattern) - 1), path_len = below(9);

		for (unsigned at = 0; at < pattern_len; at++)
			pattern[at] = letters[below(sizeof(letters) - 1)];
		for (unsigned at = 0; at < path_len; at++)
			path[at] = "ab/."[below(4)];
		/* A path is names with '/' in between. */
		if (glob_check(path) != NULL || glob_check(pattern) != NULL ||
			!glob_matches(pattern, path))
			continue;
		while ((slash = strrchr(path, '/')) != NULL) {
			*slash = '\0';
			cr_assert(glob_reaches(pattern, path), "%s and %s", pattern, path);
		}
	}
}

Test(glob, takes_no_long_time_over_anything)
{
	char pattern[GLOB_LEN_MAX + 1], path[4000];

	for (unsigned at = 0; at < GLOB_LEN_MAX; at++)
		pattern[at] = "a*"[at % 2];
	pattern[GLOB_LEN_MAX] = '\0';
	memset(path, 'a', 255);
	memcpy(path + 255, "b", 2);
	for (unsigned n = 0; n < 1000; n++)
		cr_assert(!glob_matches(pattern, path));
	path[0] = '\0';
	for (unsigned at = 0; at < 32; at++)
		strcat(path, at == 0 ? "a" : "/a");
	for (unsigned n = 0; n < 10000; n++)
		cr_assert(!glob_matches("**/a*a*/**/b", path));
}

/* ---- records ---- */

static int folder;

static void set_up(void)
{
	char name[] = "/tmp/leat-files-XXXXXX";

	cr_assert(mkdtemp(name) != NULL);
	folder = open(name, O_RDONLY | O_DIRECTORY);
	cr_assert(folder >= 0);
	cr_assert(chdir(name) == 0);
}

static void tear_down(void)
{
	char name[64];
	ssize_t len;
	char link[64];

	unlinkat(folder, FILE_NAME, 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
	len = readlink(link, name, sizeof(name) - 1);
	if (len > 0) {
		name[len] = '\0';
		rmdir(name);
	}
	close(folder);
}

TestSuite(records, .init = set_up, .fini = tear_down);

static void put_file(const void *bytes, size_t len)
{
	int file;

	unlinkat(folder, FILE_NAME,
		0); /* what is written over may be synced by some file systems */
	file = openat(folder, FILE_NAME, O_WRONLY | O_CREAT, 0600);
	cr_assert(file >= 0 && write(file, bytes, len) == (ssize_t)len);
	close(file);
}

static size_t pack(const char *bytes, size_t len, char *to, size_t size)
{
	z_stream gzip = { .next_in = (Bytef *)(uintptr_t)bytes,
		.avail_in = (uInt)len,
		.next_out = (Bytef *)to,
		.avail_out = (uInt)size };

	cr_assert(deflateInit2(&gzip, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	cr_assert(deflate(&gzip, Z_FINISH) == Z_STREAM_END);
	deflateEnd(&gzip);
	return size - gzip.avail_out;
}

static struct records_options options(enum format format, enum coding coding)
{
	return (struct records_options){ .format = format,
		.coding = coding,
		.csv = { .delimiter = ',', .row_max = LINE_MAX_ } };
}

/* All records as one text: the good ones, ! for bad ones, # for trouble. */
static void read_all(
	const struct records_options *how, const struct place *from, char *to, size_t size)
{
	struct records records;
	struct record record;
	struct trouble trouble = { 0 };
	enum records_result result = RECORDS_RECORD;
	size_t len = 0;

	to[0] = '\0';
	if (records_open(&records, folder, FILE_NAME, how, from, 0, NULL, &trouble) < 0) {
		strcpy(to, "#");
		return;
	}
	while ((result = records_next(&records, NULL, &record, &trouble)) == RECORDS_RECORD) {
		if (record.json != NULL)
			len += (size_t)snprintf(to + len, size - len, "%llu:%.*s\n",
				(unsigned long long)record.line, (int)record.len, record.json);
		else
			len += (size_t)snprintf(to + len, size - len, "%llu:!\n",
				(unsigned long long)record.line);
		cr_assert(len < size);
		cr_assert(record.json != NULL || record.error[0] != '\0');
	}
	if (result == RECORDS_TROUBLE)
		strcpy(to + len, "#");
	records_close(&records);
}

static size_t random_content(char *to, size_t size)
{
	static const char *const pieces[] = { "1", "\"x\"", "{\"a\":[1,2]}", "\n", "\n", "\r\n",
		",", "\"", " ", "x", "a,b", "\"q\"\"q\"", "\xff", "é", "[[[" };
	size_t len = 0, want = below((unsigned)size - 300);

	while (len < want) {
		const char *piece = pieces[below(sizeof(pieces) / sizeof(pieces[0]))];

		if (below(200) == 0) { /* longer than a line may be */
			memset(to + len, 'x', LINE_MAX_ + 1);
			len += LINE_MAX_ + 1;
		}
		memcpy(to + len, piece, strlen(piece));
		len += strlen(piece);
	}
	return len;
}

/* Opened again behind each record, it gives what is behind it. */
static void check_places(const struct records_options *how, const char *whole)
{
	static char rest[1 << 20];
	struct records records;
	struct record record;
	struct trouble trouble;
	struct place start = { 0 };
	const char *at = whole;

	if (records_open(&records, folder, FILE_NAME, how, &start, 0, NULL, &trouble) < 0)
		return;
	while (records_next(&records, NULL, &record, &trouble) == RECORDS_RECORD) {
		at = strchr(at, ':') + 1;
		at += record.json != NULL ? record.len + 1 : 2;
		if (below(4) != 0)
			continue;
		read_all(how, &records.place, rest, sizeof(rest));
		cr_assert_str_eq(rest, at);
	}
	records_close(&records);
}

Test(records, a_reader_goes_on_behind_any_record)
{
	static char content[6000], packed[8000], plain[1 << 20], unpacked[1 << 20];
	const struct place start = { 0 };

	for (unsigned n = 0; n < 150; n++) {
		size_t len = random_content(content, sizeof(content));
		size_t packed_len = pack(content, len, packed, sizeof(packed));

		for (enum format format = FORMAT_NDJSON; format <= FORMAT_CSV; format++) {
			struct records_options how = options(format, CODING_PLAIN);

			put_file(content, len);
			read_all(&how, &start, plain, sizeof(plain));
			check_places(&how, plain);
			how.coding = CODING_GZIP;
			put_file(packed, packed_len);
			read_all(&how, &start, unpacked, sizeof(unpacked));
			cr_assert_str_eq(unpacked, plain);
			check_places(&how, plain);
		}
	}
}

Test(records, what_is_cut_off_or_damaged_is_never_taken_for_the_end)
{
	static char content[3000], packed[4000], whole[1 << 18], part[1 << 18];
	struct records_options how = options(FORMAT_NDJSON, CODING_GZIP);
	const struct place start = { 0 };
	size_t len, packed_len;

	do {
		len = random_content(content, sizeof(content));
	} while (len < 1000);
	packed_len = pack(content, len, packed, sizeof(packed));
	put_file(packed, packed_len);
	read_all(&how, &start, whole, sizeof(whole));
	cr_assert(strchr(whole, '#') == NULL);
	for (size_t cut = 1; cut < packed_len; cut++) {
		put_file(packed, cut);
		read_all(&how, &start, part, sizeof(part));
		cr_assert(part[0] != '\0' && part[strlen(part) - 1] == '#', "cut at %zu", cut);
	}
	for (unsigned n = 0; n < 1000; n++) {
		size_t at = 10 + below((unsigned)packed_len - 10);
		char was = packed[at];

		packed[at] ^= (char)(1u << below(8));
		put_file(packed, packed_len);
		read_all(&how, &start, part, sizeof(part));
		/* A bit that fills up the last byte means nothing. */
		cr_assert(strcmp(part, whole) == 0 ||
				  (part[0] != '\0' && part[strlen(part) - 1] == '#'),
			"byte %zu", at);
		packed[at] = was;
	}
}

Test(records, garbage_is_trouble_or_bad_lines)
{
	static char content[5000], text[1 << 18];
	const struct place start = { 0 };

	for (unsigned n = 0; n < 2000; n++) {
		size_t len = below(sizeof(content));
		struct records_options how =
			options((enum format)below(2), (enum coding)below(3));

		for (size_t at = 0; at < len; at++)
			content[at] = (char)below(256);
		if (how.coding == CODING_GZIP && len > 10)
			memcpy(content, "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
		if (how.coding == CODING_ZSTD && len > 4)
			memcpy(content, "\x28\xb5\x2f\xfd", 4);
		put_file(content, len);
		read_all(&how, &start, text, sizeof(text));
	}
}

Test(records, only_regular_files_below_the_folder_are_opened)
{
	static const char *const paths[] = { "..", "../x", "a/../../x", "", "/etc/passwd",
		"a//b", "." };
	struct records_options how = options(FORMAT_NDJSON, CODING_PLAIN);
	struct records records;
	const struct place start = { 0 };
	struct trouble trouble;

	for (size_t at = 0; at < sizeof(paths) / sizeof(paths[0]); at++)
		cr_expect(records_open(&records, folder, paths[at], &how, &start, 0, NULL,
				  &trouble) < 0,
			"%s", paths[at]);
	cr_assert(symlinkat("/etc/passwd", folder, FILE_NAME) == 0);
	cr_expect(
		records_open(&records, folder, FILE_NAME, &how, &start, 0, NULL, &trouble) < 0);
	cr_expect_str_eq(trouble.text, "is a link; links are not followed");
}
