/* file: read whole, replaced whole. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static char folder[] = "/tmp/leat-file-XXXXXX";
static char path[64], link_path[64];

static void begin(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	snprintf(link_path, sizeof(link_path), "%s/link", folder);
}

static void end(void)
{
	unlink(path);
	unlink(link_path);
	cr_expect_eq(rmdir(folder), 0, "something was left there");
}

TestSuite(file, .init = begin, .fini = end);

static void expect(const char *text)
{
	struct buf found = BUF_INIT;
	struct error err;

	cr_assert_eq(file_read(path, 1000, &found, &err), 0, "%s", err.text);
	cr_assert_eq(found.len, strlen(text));
	cr_expect_eq(memcmp(found.data, text, found.len), 0);
	buf_done(&found);
}

static unsigned mode(void)
{
	struct stat stat_;

	cr_assert_eq(stat(path, &stat_), 0);
	return stat_.st_mode & 07777;
}

Test(file, a_new_one_has_the_mode_that_is_said_and_an_old_one_keeps_its_own)
{
	struct error err;

	umask(022);
	cr_assert_eq(file_replace(path, "one", 3, 0600, &err), 0, "%s", err.text);
	expect("one");
	cr_expect_eq(mode(), 0600);
	cr_assert_eq(chmod(path, 0644), 0);
	cr_assert_eq(file_replace(path, "second", 6, 0600, &err), 0, "%s", err.text);
	expect("second");
	cr_expect_eq(mode(), 0644);
}

Test(file, a_link_stays_and_what_it_points_to_is_replaced)
{
	struct error err;
	struct stat found;

	cr_assert_eq(file_replace(path, "one", 3, 0600, &err), 0);
	cr_assert_eq(symlink(path, link_path), 0);
	cr_assert_eq(file_replace(link_path, "two", 3, 0600, &err), 0, "%s", err.text);
	expect("two");
	cr_assert_eq(lstat(link_path, &found), 0);
	cr_expect(S_ISLNK(found.st_mode));
}

Test(file, what_cannot_be_is_said_with_its_path)
{
	struct buf found = BUF_INIT;
	struct error err;
	int fd = -1;

	cr_expect(file_read(path, 10, &found, &err) < 0);
	cr_expect_eq(err.code, ERR_NOT_FOUND);
	cr_expect(strstr(err.text, path) != NULL);
	cr_expect(file_read(folder, 10, &found, &err) < 0);
	cr_expect_eq(err.code, ERR_BAD_REQUEST);
	cr_assert_eq(file_replace(path, "0123456789x", 11, 0600, &err), 0);
	cr_expect(file_read(path, 10, &found, &err) < 0);
	cr_expect(strstr(err.text, "more than") != NULL, "%s", err.text);
	cr_expect_eq(found.len, 0);
	cr_assert_eq(file_read(path, 11, &found, &err), 0);
	cr_expect(file_replace("/nowhere/at/all", "x", 1, 0600, &err) < 0);
	cr_expect(strstr(err.text, "/nowhere/at/all cannot be written") != NULL);
	cr_expect(file_lock("/nowhere/at/all", &fd, &err) < 0);
	cr_expect_eq(fd, -1);
	cr_assert_eq(file_lock(path, &fd, &err), 0);
	close(fd);
	buf_done(&found);
}
