"""What the kernel says about a process and a folder: memory, threads, descriptors, disk."""

import os
import resource


def status(pid):
    """/proc/PID/status as a dict of strings."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        pairs = (line.partition(":") for line in file)
        return {name: value.strip() for name, _, value in pairs}


def _kib(pid, field):
    return int(status(pid)[field].split()[0])


def rss_kib(pid):
    return _kib(pid, "VmRSS")


def anonymous_kib(pid):
    """Resident memory that is the process's own, without pages of mapped files."""
    return _kib(pid, "RssAnon")


def peak_rss_kib(pid):
    """The largest VmRSS since start or since reset_peak."""
    return _kib(pid, "VmHWM")


def reset_peak(pid):
    """Forgets the largest VmRSS seen, so that peak_rss_kib starts from now."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def threads(pid):
    return int(status(pid)["Threads"])


def cpu_seconds(pid):
    """User and system time used so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def disk_bytes(folder):
    """Blocks really occupied below `folder`; the ledger's file is sparse."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def raise_open_files(wanted):
    """Raises this process's limit (children inherit it). Answers the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return soft
    for target in ((wanted, max(hard, wanted)), (min(wanted, hard), hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, target)
            break
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def sanitizer_of(program):
    """"thread", "address" or None, from the symbols that the program asks for."""
    with open(program, "rb") as file:
        text = file.read()
    if b"__tsan_init" in text:
        return "thread"
    if b"__asan_init" in text:
        return "address"
    return None


def mentions(program, word):
    """Whether the program's bytes hold `word`: how a build with faults is told apart."""
    with open(program, "rb") as file:
        return word.encode() in file.read()
