/* A stream of lines in pieces of whole lines. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/chunks.h"

/* A pipe that has this and then ends. */
static int pipe_of(const char *bytes, size_t len)
{
	int ends[2];

	cr_assert(pipe(ends) == 0);
	cr_assert(write(ends[1], bytes, len) == (ssize_t)len);
	close(ends[1]);
	return ends[0];
}

/* A file of this. */
static int file_of(const char *bytes, size_t len)
{
	char path[] = "/tmp/leat-chunks-XXXXXX";
	int fd = mkstemp(path);

	cr_assert(fd >= 0);
	unlink(path);
	for (size_t at = 0; at < len;) {
		ssize_t put = write(fd, bytes + at, len - at);

		cr_assert(put > 0);
		at += (size_t)put;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* All chunks add up to all bytes, whole lines each, counted as they stand. */
static void expect_all(int fd, const char *bytes, size_t len, uint64_t lines)
{
	struct chunks chunks;
	struct chunk chunk;
	struct error err;
	size_t at = 0;
	uint64_t line = 0;

	chunks_init(&chunks, fd, -1);
	while (chunks_next(&chunks, &chunk, &err) == CHUNKS_CHUNK) {
		cr_assert(eq(u64, chunk.first_line, line));
		cr_assert(at + chunk.len <= len);
		cr_assert(memcmp(bytes + at, chunk.bytes, chunk.len) == 0);
		at += chunk.len;
		line += chunk.lines;
		cr_assert(at == len || chunk.bytes[chunk.len - 1] == '\n');
	}
	cr_assert(eq(sz, at, len));
	cr_assert(eq(u64, line, lines));
	chunks_done(&chunks);
	close(fd);
}

Test(chunks, all_lines_come_as_they_are)
{
	expect_all(pipe_of("", 0), "", 0, 0);
	expect_all(pipe_of("1", 1), "1", 1, 1);
	expect_all(pipe_of("1\n\n2\n", 5), "1\n\n2\n", 5, 3);
	expect_all(pipe_of("\n\n", 2), "\n\n", 2, 2);
}

Test(chunks, a_large_file_comes_in_several_and_a_long_line_in_one)
{
	size_t len = 3 * CHUNKS_BYTES + 17;
	char *bytes = malloc(len);
	uint64_t lines = 1;

	memset(bytes, 'x', len);
	for (size_t at = 1000; at < CHUNKS_BYTES; at += 1001) {
		bytes[at] = '\n';
		lines++;
	}
	expect_all(file_of(bytes, len), bytes, len, lines);
	free(bytes);
}

Test(chunks, a_line_beyond_all_bounds_is_refused_by_its_number)
{
	size_t len = CHUNKS_LINE_MAX + (4u << 20);
	char *bytes = malloc(len);
	struct chunks chunks;
	struct chunk chunk;
	struct error err;
	int fd;

	memset(bytes, 'x', len);
	memcpy(bytes, "1\n2\n", 4);
	fd = file_of(bytes, len);
	chunks_init(&chunks, fd, -1);
	cr_assert(chunks_next(&chunks, &chunk, &err) == CHUNKS_CHUNK);
	cr_assert(eq(u64, chunk.lines, 2));
	cr_assert(chunks_next(&chunks, &chunk, &err) == CHUNKS_FAILED);
	cr_assert(eq(str, err.text, (char *)"line 3 is longer than 64 MiB"));
	chunks_done(&chunks);
	close(fd);
	free(bytes);
}

Test(chunks, lines_may_be_skipped_and_one_taken_from_the_front)
{
	int fd = pipe_of("pass\r\n1\n2\n3\n4", 13);
	struct buf line = BUF_INIT;
	struct chunks chunks;
	struct chunk chunk;
	struct error err;

	chunks_init(&chunks, fd, -1);
	cr_assert(chunks_line(&chunks, &line, &err) == CHUNKS_CHUNK);
	cr_assert(line.len == 4 && memcmp(line.data, "pass", 4) == 0);
	cr_assert(chunks_skip(&chunks, 2, &err) == CHUNKS_CHUNK);
	cr_assert(chunks_next(&chunks, &chunk, &err) == CHUNKS_CHUNK);
	cr_assert(eq(u64, chunk.first_line, 2));
	cr_assert(chunk.len == 3 && memcmp(chunk.bytes, "3\n4", 3) == 0);
	cr_assert(chunks_skip(&chunks, 9, &err) == CHUNKS_END);
	buf_done(&line);
	chunks_done(&chunks);
	close(fd);
}

Test(chunks, a_stream_that_pauses_is_given_out_and_waiting_can_be_interrupted)
{
	struct chunks chunks;
	struct chunk chunk;
	struct error err;
	int ends[2], wake[2];

	cr_assert(pipe(ends) == 0 && pipe(wake) == 0);
	chunks_init(&chunks, ends[0], wake[0]);
	cr_assert(write(ends[1], "1\n2", 3) == 3);
	cr_assert(chunks_next(&chunks, &chunk, &err) == CHUNKS_CHUNK);
	cr_assert(eq(u64, chunk.lines, 1));
	cr_assert(write(wake[1], "x", 1) == 1);
	cr_assert(chunks_next(&chunks, &chunk, &err) == CHUNKS_INTERRUPTED);
	chunks_done(&chunks);
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(wake[i]);
	}
}

Test(chunks, what_cannot_be_read_is_said)
{
	struct chunks chunks;
	struct chunk chunk;
	struct error err;

	chunks_init(&chunks, -1, -1);
	chunks.fd = open("/", O_RDONLY | O_DIRECTORY);
	cr_assert(chunks_next(&chunks, &chunk, &err) == CHUNKS_FAILED);
	cr_assert(eq(str, err.text, (char *)"cannot be read: Is a directory"));
	close(chunks.fd);
	chunks_done(&chunks);
}
