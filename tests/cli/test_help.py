"""What --help says stands in the manual page and in what shells complete, and those work."""

import re
import shutil
import sys

from line import *

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def make(t, what, *more):
    """A file that tools/make-help makes of this program."""
    path = os.path.join(folder(t), f"leat.{what}")
    subprocess.run([sys.executable, "-B", os.path.join(TOP, "tools/make-help"), t.settings.program,
                    what, *more, path], check=True, timeout=60 * t.slow, env=environment())
    with open(path, encoding="utf-8") as made:
        return path, made.read()


def helped(t):
    """Commands with their options, from the program itself."""
    text = leat(t, "help").exits(0).out.decode().split("Examples:")[0]
    names = re.findall(r"^  ([a-z-]+) ", text, re.M)
    ok(len(names) > 15, f"only these commands: {names}")
    return {name: options(leat(t, name, "--help").exits(0).out.decode()) for name in names}


def options(text):
    """Each once; an example may begin a line with one of them."""
    return sorted(set(re.findall(r"^ {2,6}(?:-\S, )?--([a-z-]+)", text, re.M)))


def run(t, *args, stdin=None, env=None):
    return subprocess.run(args, capture_output=True, text=True, timeout=60 * t.slow, input=stdin,
                          env=environment(env))


def program_first(t):
    """leat is what is found under that name."""
    place = folder(t)
    os.symlink(os.path.abspath(t.settings.program), os.path.join(place, "leat"))
    return {"PATH": place + ":" + os.environ["PATH"]}


def needs(t, shell):
    if not shutil.which(shell):
        t.skip(f"{shell} is not here")


# -- bash ---------------------------------------------------------------------------------


class Bash:
    """Completes a line as bash would cut it."""

    def __init__(self, t, env=None):
        self.t = t
        self.path, _ = make(t, "bash")
        self.env = {**program_first(t), **(env or {})}

    def __call__(self, *words_):
        words_ = ["leat", *words_]
        script = ('source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _leat; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = run(self.t, "bash", "--noprofile", "--norc", "-c", script, self.path, *words_,
                   env=self.env)
        eq((done.returncode, done.stderr), (0, ""))
        return [line for line in done.stdout.splitlines() if line]


@slow
def test_bash_completes_commands_and_every_option(t):
    complete = Bash(t)
    known = helped(t)
    eq(sorted(complete("")), sorted([*known, "help", "version"]))
    eq(complete("sub"), ["submit"])
    eq(sorted(complete("help", "re")), ["results", "resume", "retry"])
    for name, flags in known.items():
        eq(sorted(word.rstrip("=") for word in complete(name, "--")), sorted(f"--{o}" for o in flags))


@slow
def test_bash_completes_values_stages_files_and_jobs(t):
    job = t.job(["pass"])
    complete = Bash(t, {"LEAT_SERVER": f"http://127.0.0.1:{t.api.server.port}"})
    eq(complete("submit", "--order", ""), ["input", "none"])
    eq(complete("submit", "--order", "=", "in"), ["input"])
    eq(complete("submit", "--order", "="), ["input", "none"])
    eq(complete("ls", "--state", "p"), ["paused"])
    eq(complete("stages", "sha"), ["sha256"])
    ok("sha256" in complete("run", "sh"), "a pipeline begins with a stage")
    path = file(t, "pipeline.json", "{}")
    ok(path in complete("submit", path[:-3]), "a pipeline may be a file")
    eq(complete("serve", "--config", path[:-3]), [path])
    ok(job.id in complete("show", job.id[:6]), "jobs of the server")
    eq(complete("show", job.id[:-1]), [job.id])
    eq(complete("health", ""), [])


# -- zsh and fish -------------------------------------------------------------------------


@slow
def test_zsh_understands_its_completion_and_finds_every_option_in_it(t):
    needs(t, "zsh")
    path, text = make(t, "zsh")
    done = run(t, "zsh", "-f", "-n", path)
    eq((done.returncode, done.stderr), (0, ""))
    for name, flags in helped(t).items():
        block = re.search(rf"^\t{name}\)\n(.*?)^\t\t;;", text, re.M | re.S)
        ok(block, f"{name} is missing")
        eq(sorted(re.findall(r"'\*--([a-z-]+)=?\[", block.group(1))), sorted(flags))


@slow
def test_fish_completes_commands_options_and_values(t):
    needs(t, "fish")
    path, _ = make(t, "fish")
    env = {**program_first(t), "HOME": folder(t), "XDG_CONFIG_HOME": folder(t),
           "XDG_DATA_HOME": folder(t)}
    known = helped(t)
    lines_ = ["leat ", "leat submit --order=", *(f"leat {name} --" for name in known)]
    script = f"source {path}\n" + "".join(
        f"complete -C '{line}' | string split -f1 \\t\necho END\n" for line in lines_)
    done = run(t, "fish", "--no-config", "-c", script, env=env)
    eq((done.returncode, done.stderr), (0, ""))
    answers = [part.split() for part in done.stdout.split("END\n")]
    eq(sorted(answers[0]), sorted([*known, "help", "version"]))
    eq(sorted(answers[1]), ["--order=input", "--order=none"])
    for answer, flags in zip(answers[2:], known.values()):
        eq(sorted(word.rstrip("=") for word in answer), sorted(f"--{o}" for o in flags))


# -- the manual page ----------------------------------------------------------------------


@slow
def test_the_manual_page_is_sound_and_has_every_command_and_option(t):
    path, text = make(t, "man", os.path.join(TOP, "docs/man/leat.1.in"))
    for name, flags in helped(t).items():
        section = re.search(rf"^\.Ss leat {name}\n(.*?)^\.S[sh] ", text, re.M | re.S)
        ok(section, f"{name} is missing")
        for option in flags:
            flag = "Fl \\-" + option.replace("-", "\\-")
            ok(re.search(rf"^\.It .*{re.escape(flag)}( |$)", section.group(1), re.M),
               f"{name} --{option} is missing in:\n{section.group(1)}")
    eq(re.findall(r"@\w+@", text), [])
    needs(t, "mandoc")
    done = run(t, "mandoc", "-Tlint", "-Wwarning", path)
    said = [line for line in done.stdout.splitlines() if "mandoc.db" not in line]
    eq(said, [])
    shown = run(t, "mandoc", "-Tascii", path).stdout
    ok("Make a job, send it the items" in shown, "it can be read")
