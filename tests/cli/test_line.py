"""The line itself: commands, help, settings and what is said about mistakes in them."""

from line import *


def test_without_a_command_it_shows_the_commands_and_exits_2(t):
    done = leat(t).exits(2).says("Usage: leat COMMAND", "serve", "run", "stages")
    eq(done.out, b"")


def test_help_goes_to_stdout_and_exits_0(t):
    for line in (["help"], ["--help"], ["-h"]):
        done = leat(t, *line).exits(0)
        ok(b"Usage: leat COMMAND" in done.out, done.out)


def test_help_of_a_command_is_its_own_help(t):
    for name in ("serve", "run", "stages"):
        done = leat(t, "help", name).exits(0)
        eq(done.out, leat(t, name, "--help").exits(0).out)
        ok(f"Usage: leat {name}".encode() in done.out, done.out)
        eq(done.err, "")


def test_version(t):
    version = leat(t, "--version").exits(0).out
    ok(version.startswith(b"leat "), version)
    for line in (["version"], ["-V"], ["serve", "--version"], ["run", "-V"]):
        eq(leat(t, *line).exits(0).out, version)


def test_a_misspelt_command_is_put_right(t):
    leat(t, "server").exits(2).says("there is no command 'server'; did you mean 'serve'?")
    leat(t, "frobnicate").exits(2).says("there is no command 'frobnicate'", "leat help")
    leat(t, "help", "serv").exits(2).says("did you mean 'serve'?")


def test_mistakes_in_options_exit_2_and_say_what_to_do(t):
    for line, text in {
        ("serve", "--compte", "2"): "did you mean '--compute'?",
        ("serve", "--item-max", "12x"): "--item-max: '12x' is not a size such as",
        ("serve", "--data"): "--data wants a value: --data=DIR",
        ("serve", "--listen", "8080"): "listen: '8080': the port is missing",
        ("serve", "--listen", "::1:80"): "an IPv6 address stands in brackets",
        ("serve", "extra"): "the argument 'extra' is one too many",
        ("run", "pass", "--listen", "127.0.0.1:1"): "there is no option '--listen'",
        ("run", "pass", "--order", "sideways"): "/order: ",
        ("run",): "which pipeline?",
        ("stages", "pass", "pick"): "one NAME is enough",
    }.items():
        done = leat(t, *line).exits(2).says(f"leat {line[0]}: ", text)
        eq(done.out, b"")


def test_print_config_shows_every_value_with_its_source(t):
    config = file(t, "leat.json", '{"item_max": "2MiB", "compute": 3, "drain_ms": "3s"}')
    done = leat(t, "serve", "--config", config, "--print-config", "--drain-ms", "5s",
                env={"LEAT_COMPUTE": "2", "LEAT_DRAIN_MS": "4s"}).exits(0)
    shown = json.loads(done.out)
    eq(shown["item_max"], {"value": 2 << 20, "source": "file", "from": f"{config}: /item_max"})
    eq(shown["compute"], {"value": 2, "source": "env", "from": "LEAT_COMPUTE"})
    eq(shown["drain_ms"], {"value": 5000, "source": "flag", "from": "--drain-ms"})
    eq(shown["listen"], {"value": "127.0.0.1:8080", "source": "default"})


UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
         "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def documented():
    """Flag and default of every row in docs/configuration.md."""
    path = os.path.join(os.path.dirname(__file__), "../../docs/configuration.md")
    with open(path, encoding="utf-8") as page:
        rows = [line.split(" | ") for line in page if line.startswith("| `--")]
    return {row[0].split("`")[1].split()[0][2:]: row[1].strip("`") for row in rows}


def as_value(text, like):
    if isinstance(like, list):
        return [] if text == "none" else [text]
    if isinstance(like, str):
        return "" if text == "none" else text
    number, _, unit = text.partition(" ")
    return int(number) * UNITS[unit]


def test_every_setting_is_documented_with_its_default(t):
    shown = json.loads(leat(t, "serve", "--print-config").exits(0).out)
    rows = documented()
    eq(sorted(name.replace("-", "_") for name in rows), sorted(shown))
    for name, text in rows.items():
        value = shown[name.replace("-", "_")]["value"]
        eq(as_value(text, value), value, f"the default of {name} in docs/configuration.md")


def test_a_wrong_file_or_variable_is_named(t):
    config = file(t, "leat.json", '{"item_mx": 1}')
    leat(t, "serve", "--config", config).exits(2).says(
        f"{config}: /item_mx: there is no such setting; did you mean 'item_max'?")
    leat(t, "serve", env={"LEAT_ITEM_MAX": "big"}).exits(2).says("LEAT_ITEM_MAX: 'big' is not")
    leat(t, "serve", env={"LEAT_CONFIG": "/nowhere.json"}).exits(2).says("/nowhere.json")


def test_stages_lists_what_is_built_in(t):
    done = leat(t, "stages").exits(0)
    names = [line.split()[0] for line in done.lines() if line]
    for name in ("pass", "sleep", "fail", "sha256", "pick", "filter", "explode", "range",
                 "aggregate"):
        ok(name in names, f"{name} is not in {names}")
    eq(done.err, "")


def test_stages_shows_one_with_its_parameters(t):
    out = leat(t, "stages", "sha256").exits(0).out.decode()
    for text in ("sha256", "map", "parallel", "built in", "field (string, required)",
                 'into (string, default "sha256")'):
        ok(text in out, f"{text!r} is not in:\n{out}")


def test_stages_as_json_are_those_of_the_api(t):
    listed = json.loads(leat(t, "stages", "--json").exits(0).out)
    served = {stage["name"]: stage for stage in t.api.get("/v1/stages").json()["items"]}
    eq(listed, [served[stage["name"]] for stage in listed])
    eq(json.loads(leat(t, "stages", "pick", "--json").exits(0).out),
       t.api.get("/v1/stages/pick").json())


def test_stages_puts_a_misspelt_name_right(t):
    leat(t, "stages", "sha265").exits(2).says("there is no stage 'sha265'; did you mean 'sha256'?")
    leat(t, "stages", "--stages", "/nowhere").exits(2).says("/nowhere")
