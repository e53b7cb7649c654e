#include "isolate/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"

#define STACK_BYTES (8ull << 20)

int confine_to_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -1;
	if (getppid() != parent) /* it was gone before */
		_exit(EXIT_FAILURE);
	return 0;
}

/* ---- limits ---- */

/* Resident, data: pages, at these places of the line. */
enum { STATM_SIZE = 0, STATM_DATA = 5, STATM_FIELDS = 7 };

static bool read_statm(int statm, unsigned long long ret[static STATM_FIELDS])
{
	char line[200];
	ssize_t len = pread(statm, line, sizeof(line) - 1, 0);

	if (len <= 0)
		return false;
	line[len] = '\0';
	return sscanf(line, "%llu %llu %llu %llu %llu %llu %llu", &ret[0], &ret[1], &ret[2],
		       &ret[3], &ret[4], &ret[5], &ret[6]) == STATM_FIELDS;
}

uint64_t confine_memory_used(int statm)
{
	unsigned long long fields[STATM_FIELDS];

	return read_statm(statm, fields) ? fields[STATM_DATA] * (uint64_t)sysconf(_SC_PAGESIZE)
					 : 0;
}

static void limit(int resource, uint64_t value)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		return;
	now.rlim_cur = MIN((rlim_t)value, now.rlim_max);
	now.rlim_max = now.rlim_cur;
	setrlimit(resource, &now);
}

/* Where the machine's memory runs out, rather this than the server. */
static void prefer_to_be_killed(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "500", 3) < 0)
		errno = 0; /* it is a wish, no more */
	close(fd);
}

/* A sanitizer reserves terabytes of address space and keeps what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BOUNDABLE false
#else
#define BOUNDABLE true
#endif

/* So much more than there is now. */
static void limit_memory(uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	unsigned long long fields[STATM_FIELDS];
	int statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (statm < 0)
		return;
	if (read_statm(statm, fields)) {
		limit(RLIMIT_DATA, fields[STATM_DATA] * page + bytes);
		limit(RLIMIT_AS, fields[STATM_SIZE] * page + bytes);
	}
	close(statm);
}

void confine_memory(uint64_t bytes)
{
	prefer_to_be_killed();
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_STACK, STACK_BYTES);
	if (BOUNDABLE && bytes > 0)
		limit_memory(bytes);
}

/* ---- the filter ---- */

/* Names, not numbers: not every machine and every libseccomp knows all of them. */
static const char *const refused[] = {
	/* other programs and processes */
	"execve",
	"execveat",
	"fork",
	"vfork",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"process_madvise",
	"pidfd_getfd",
	"pidfd_send_signal",
	"kcmp",
	"tkill",
	"rt_sigqueueinfo",
	"rt_tgsigqueueinfo",
	/* file systems and namespaces */
	"mount",
	"umount",
	"umount2",
	"pivot_root",
	"chroot",
	"move_mount",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"open_tree",
	"mount_setattr",
	"setns",
	"unshare",
	"quotactl",
	"swapon",
	"swapoff",
	"open_by_handle_at",
	"name_to_handle_at",
	"fanotify_init",
	/* the kernel and the machine */
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"init_module",
	"finit_module",
	"delete_module",
	"kexec_load",
	"kexec_file_load",
	"reboot",
	"syslog",
	"acct",
	"iopl",
	"ioperm",
	"settimeofday",
	"clock_settime",
	"clock_adjtime",
	"adjtimex",
	"sethostname",
	"setdomainname",
	"lookup_dcookie",
	"nfsservctl",
	"vhangup",
	/* keys, users */
	"add_key",
	"request_key",
	"keyctl",
	"setuid",
	"setgid",
	"setreuid",
	"setregid",
	"setresuid",
	"setresgid",
	"setfsuid",
	"setfsgid",
	"setgroups",
	"capset",
};

static int refuse(scmp_filter_ctx filter, const char *name)
{
	int call = seccomp_syscall_resolve_name(name), done;

	if (call == __NR_SCMP_ERROR)
		return 0;
	done = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
	/* A call that this machine has not got need not be refused. */
	return done == -EDOM ? 0 : done;
}

/* Signals to itself are raise() and abort(). */
static int refuse_signals(scmp_filter_ctx filter)
{
	static const char *const calls[] = { "kill", "tgkill" };
	int done = 0;

	for (unsigned i = 0; done == 0 && i < ARRAY_SIZE(calls); i++)
		done = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
			seccomp_syscall_resolve_name(calls[i]), 1,
			SCMP_A0_64(SCMP_CMP_NE, (scmp_datum_t)getpid()));
	return done;
}

/* Threads, but no processes. clone3 hides its flags from a filter: libc then takes clone. */
static int refuse_processes(scmp_filter_ctx filter)
{
	int done = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
		SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	int clone3 = seccomp_syscall_resolve_name("clone3");

	if (done == 0 && clone3 != __NR_SCMP_ERROR)
		done = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), clone3, 0);
	return done == -EDOM ? 0 : done;
}

static int load_filter(scmp_filter_ctx filter)
{
	int done = refuse_processes(filter);

	if (done == 0)
		done = refuse_signals(filter);
	for (unsigned i = 0; done == 0 && i < ARRAY_SIZE(refused); i++)
		done = refuse(filter, refused[i]);
	return done == 0 ? seccomp_load(filter) : done;
}

bool confine_calls(struct error *err)
{
	scmp_filter_ctx filter;
	int done = -ENOMEM;

	/* Also without a filter. seccomp_load() would ask for it, too. */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (filter != NULL) {
		done = load_filter(filter);
		seccomp_release(filter);
	}
	if (done == 0)
		return true;
	error_set(err, ERR_INTERNAL, "the kernel takes no filter of system calls: %s",
		strerror(-done));
	return false;
}
