"""The files that the tests look at, parsed, and what the program says of itself."""

import json
import os
import re
import subprocess

import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def path(name):
    return os.path.join(TOP, name)


def text(name):
    with open(path(name), encoding="utf-8") as file:
        return file.read()


def documents(name):
    """The documents of a YAML file; a key that stands twice is a mistake."""
    return list(yaml.load_all(text(name), Loader=Strict))


class Strict(yaml.SafeLoader):
    """PyYAML takes the last of two equal keys; whoever reads these files may not."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key stands twice: {keys} {node.start_mark}"
        return super().construct_mapping(node, deep)


def settings(t, env=None, *options):
    """What `leat serve --print-config` prints under these variables, and its warnings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEAT_")}
    done = subprocess.run([t.settings.program, "serve", "--print-config", *options],
                          env={**clean, **(env or {})}, stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def variables_are_known(t, env):
    """Each LEAT_… is a setting, and its value is one that leat takes."""
    env = {name: str(value) for name, value in env.items() if name.startswith("LEAT_")}
    found = settings(t, env)
    sources = {row["from"] for row in found.values() if row.get("source") == "env"}
    assert sources == set(env), f"not settings of leat: {sorted(set(env) ^ sources)}"
    return found


def dockerfile():
    """The instructions of the last stage: [(WORD, rest)], lines joined."""
    lines = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", text("Dockerfile")))
    words = [line.split(None, 1) for line in lines.splitlines() if line.strip()]
    last = max(i for i, (word, _) in enumerate(words) if word == "FROM")
    return [(word, " ".join(rest.split())) for word, rest in words[last:]]


def instruction(name):
    found = [rest for word, rest in dockerfile() if word == name]
    assert len(found) == 1, f"{name} stands {len(found)} times in the last stage"
    return found[0]


def image_environment():
    return dict(word.split("=", 1) for word in instruction("ENV").split())
