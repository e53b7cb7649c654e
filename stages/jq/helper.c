/*
 * The helper of the jq stage: a process that runs one program over items.
 *
 * libjq cannot be interrupted, ends the process when memory is short or an assertion does not
 * hold, reads the environment and modules, and recurses as deep as a program wants. So it
 * runs here, where all of that hurts nobody: with an empty environment, without files, with
 * limits of memory and of CPU time an item, and behind a filter of system calls. Whatever
 * kills it, the stage sees which item it had in hand.
 *
 *	helper TIME_MS MEMORY_BYTES	the socket is descriptor 0
 */
#include <errno.h>
#include <jq.h>
#include <jv.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "wire.h"

#define FLUSH_AT ((size_t)64 << 10)

struct bytes {
	char *data;
	size_t len, capacity;
};

static struct bytes in, out;
static size_t in_at;
static struct bytes complaint; /* of the compiler */

static _Noreturn void no_memory(void *arg)
{
	(void)arg;
	_exit(JQ_NOMEM);
}

/* ---- bytes ---- */

static void make_room(struct bytes *bytes, size_t more)
{
	size_t size = bytes->capacity < FLUSH_AT ? FLUSH_AT : bytes->capacity;

	if (bytes->capacity - bytes->len >= more)
		return;
	while (size - bytes->len < more)
		size *= 2;
	bytes->data = realloc(bytes->data, size);
	if (bytes->data == NULL)
		no_memory(NULL);
	bytes->capacity = size;
}

static void add(struct bytes *bytes, const void *data, size_t len)
{
	make_room(bytes, len);
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
}

static void say(enum jq_kind kind, const char *text, size_t len)
{
	const struct jq_head head = { (uint32_t)len, kind };

	add(&out, &head, sizeof(head));
	if (len > 0)
		add(&out, text, len);
}

static void flush(void)
{
	size_t at = 0;

	while (at < out.len) {
		ssize_t len = write(STDIN_FILENO, out.data + at, out.len - at);

		if (len < 0 && errno != EINTR)
			_exit(JQ_IDLE); /* nobody is there any more */
		at += len > 0 ? (size_t)len : 0;
	}
	out.len = 0;
}

/* More bytes; what was answered goes out before it waits. */
static void hear(void)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t len;

	if (in_at > 0) {
		memmove(in.data, in.data + in_at, in.len - in_at);
		in.len -= in_at;
		in_at = 0;
	}
	make_room(&in, FLUSH_AT);
	flush();
	if (poll(&fd, 1, JQ_IDLE_MS) == 0)
		_exit(JQ_IDLE);
	len = read(STDIN_FILENO, in.data + in.len, in.capacity - in.len);
	if (len == 0 || (len < 0 && errno != EINTR && errno != EAGAIN))
		_exit(JQ_IDLE);
	in.len += len > 0 ? (size_t)len : 0;
}

/* The next message; its bytes stay until the next call. */
static const char *next(enum jq_kind kind, size_t *ret_len)
{
	struct jq_head head;
	const char *text;

	while (in.len - in_at < sizeof(head))
		hear();
	memcpy(&head, in.data + in_at, sizeof(head));
	if (head.kind != (uint32_t)kind)
		_exit(JQ_BROKEN);
	while (in.len - in_at < sizeof(head) + head.len)
		hear();
	text = in.data + in_at + sizeof(head);
	in_at += sizeof(head) + head.len;
	*ret_len = head.len;
	return text;
}

/* ---- what it may do ---- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

#ifdef ARCH
#define ALLOW(name)                                             \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* Memory, time, its socket, and to end. What else is asked for fails. */
static void filter_calls(void)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(write),
		ALLOW(ppoll),
#ifdef __NR_poll
		ALLOW(poll),
#endif
		ALLOW(setitimer),
		ALLOW(brk),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(mprotect),
		ALLOW(madvise),
		ALLOW(futex),
		ALLOW(getrandom),
		ALLOW(clock_gettime),
		ALLOW(gettimeofday),
		ALLOW(getpid),
		ALLOW(gettid),
		ALLOW(tgkill),
		ALLOW(rt_sigprocmask),
		ALLOW(rt_sigaction),
		ALLOW(rt_sigreturn),
		ALLOW(restart_syscall),
		ALLOW(exit),
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	const struct sock_fprog program = { sizeof(rules) / sizeof(rules[0]), rules };

	/* A kernel without the filter leaves the limits, which keep files out, too. */
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#else
static void filter_calls(void)
{
}
#endif

static rlim_t mapped_now(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file != NULL) {
		if (fscanf(file, "%lu", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages > 0 ? pages * (rlim_t)sysconf(_SC_PAGESIZE) : (rlim_t)32 << 20;
}

static void limit(int what, rlim_t most)
{
	const struct rlimit both = { most, most };

	if (setrlimit(what, &both) < 0)
		_exit(JQ_BROKEN);
}

static void confine(rlim_t memory)
{
	rlim_t mapped = mapped_now();

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(JQ_BROKEN);
	prctl(PR_SET_NAME, "leat-jq");
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_AS, mapped + JQ_OWN_BYTES + memory);
	limit(RLIMIT_NOFILE, 1); /* what is open stays so; nothing else can be opened */
	filter_calls();
}

/* CPU time from now on: a busy machine is no program that takes too long. */
static void arm(long ms)
{
	const struct itimerval timer = { .it_value = { ms / 1000, ms % 1000 * 1000 } };

	setitimer(ITIMER_PROF, &timer, NULL);
}

/* ---- the program ---- */

static void on_complaint(void *arg, jv message)
{
	(void)arg;
	message = jq_format_error(message);
	if (jv_get_kind(message) == JV_KIND_STRING && complaint.len < JQ_MESSAGE_MAX)
		add(&complaint, jv_string_value(message), strlen(jv_string_value(message)));
	jv_free(message);
	add(&complaint, "\n", 1);
}

static jq_state *compile(void)
{
	jq_state *jq = jq_init();
	char *program;
	const char *text;
	size_t len;
	jv args;

	if (jq == NULL)
		no_memory(NULL);
	jq_set_nomem_handler(jq, no_memory, NULL);
	jq_set_error_cb(jq, on_complaint, NULL);
	/* Without it an import is a failed assertion instead of an error. */
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	jq_set_attr(jq, jv_string("JQ_ORIGIN"), jv_string("/nowhere"));
	jq_set_attr(jq, jv_string("PROGRAM_ORIGIN"), jv_string("/nowhere"));
	text = next(JQ_PROGRAM, &len);
	program = strndup(text, len);
	if (program == NULL)
		no_memory(NULL);
	text = next(JQ_ARGS, &len);
	arm(JQ_COMPILE_MS);
	args = jv_parse_sized(text, (int)len);
	if (jv_get_kind(args) != JV_KIND_OBJECT)
		_exit(JQ_BROKEN);
	if (!jq_compile_args(jq, program, args)) {
		say(JQ_REFUSED, complaint.data, complaint.len);
		flush();
		_exit(JQ_IDLE);
	}
	say(JQ_COMPILED, "", 0);
	free(program);
	return jq;
}

/* ---- items ---- */

/* Of a long text the beginning, cut between two characters. */
static size_t cut(const char *text, size_t len)
{
	if (len <= JQ_MESSAGE_MAX)
		return len;
	for (len = JQ_MESSAGE_MAX; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80; len--)
		;
	return len;
}

static void say_error(size_t from, jv message)
{
	const char *text;

	out.len = from; /* what had come out of the item is taken back */
	if (jv_get_kind(message) != JV_KIND_STRING)
		message = jv_dump_string(message, 0);
	text = jv_string_value(message);
	say(JQ_ERROR, text, cut(text, (size_t)jv_string_length_bytes(jv_copy(message))));
	jv_free(message);
}

/* Returns false when the item has failed. */
static bool say_value(size_t from, jv value)
{
	jv text = jv_dump_string(value, 0);

	say(JQ_VALUE, jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text)));
	jv_free(text);
	if (out.len - from <= JQ_OUTPUT_MAX)
		return true;
	say_error(from, jv_string_fmt("more than %u bytes come out of it", JQ_OUTPUT_MAX));
	return false;
}

/* `end` is what came behind the last value: nothing, or an error. */
static void say_end(jq_state *jq, size_t from, jv end)
{
	jv code, message;

	if (jq_halted(jq)) {
		jv_free(end);
		code = jq_get_exit_code(jq);
		message = jq_get_error_message(jq);
		if (jv_get_kind(code) != JV_KIND_NUMBER || jv_number_value(code) == 0) {
			jv_free(message);
			say(JQ_DONE, "", 0);
		} else {
			say_error(
				from, jv_is_valid(message) ? message : jv_string("halt_error"));
		}
		jv_free(code);
		return;
	}
	if (jv_invalid_has_msg(jv_copy(end))) {
		say_error(from, jv_invalid_get_msg(end));
		return;
	}
	jv_free(end);
	say(JQ_DONE, "", 0);
}

static void work(jq_state *jq, const char *text, size_t len)
{
	jv value = jv_parse_sized(text, (int)len);
	size_t from = out.len;

	if (!jv_is_valid(value)) {
		say_error(from, jv_invalid_get_msg(value));
		return;
	}
	jq_start(jq, value, 0);
	while (jv_is_valid(value = jq_next(jq)))
		if (!say_value(from, value))
			return;
	say_end(jq, from, value);
}

int main(int argc, char **argv)
{
	const char *item;
	jq_state *jq;
	size_t len;
	long time_ms;

	if (argc != 3)
		return JQ_BROKEN;
	time_ms = strtol(argv[1], NULL, 10);
	/* Not every library opens its files so that they are closed here. */
	if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) < 0)
		for (int fd = STDERR_FILENO + 1; fd < sysconf(_SC_OPEN_MAX); fd++)
			close(fd);
	confine((rlim_t)strtoull(argv[2], NULL, 10));
	jq = compile();
	for (;;) {
		item = next(JQ_ITEM, &len);
		arm(time_ms);
		work(jq, item, len);
		if (out.len >= FLUSH_AT)
			flush();
	}
}
