"""Items for tests: the same for the same seed, on every machine."""

import json
import random

WORDS = ("anvil bolt crank dowel flange gear hinge idler joist kiln lathe mill nail oar "
         "pulley quoin rivet shaft trunnion valve weir yoke").split()


def numbers(count, start=0):
    """{"n":0}, {"n":1}, …"""
    return [{"n": n} for n in range(start, start + count)]


def texts(count, seed=1):
    """Small items with a text, as sha256 wants them."""
    rng = random.Random(seed)
    return [{"id": n, "text": " ".join(rng.choices(WORDS, k=rng.randint(1, 6)))}
            for n in range(count)]


def orders(count, seed=1):
    """Nested items of about 200 bytes, as in the demo."""
    rng = random.Random(seed)
    return [{"id": n, "price": rng.randint(1, 9999) / 100, "qty": rng.randint(0, 9),
             "text": " ".join(rng.choices(WORDS, k=8)),
             "customer": {"name": rng.choice(WORDS), "city": rng.choice(WORDS)},
             "tags": rng.sample(WORDS, 3)} for n in range(count)]


def mixed(count, seed=1):
    """Items for pipelines that filter and explode: `keep` 0..9, `parts` of 0 to 4 objects."""
    rng = random.Random(seed)
    return [{"id": n, "keep": rng.randint(0, 9), "text": rng.choice(WORDS) + str(n),
             "parts": [{"id": n, "part": p, "w": rng.randint(1, 50)}
                       for p in range(rng.randint(0, 4))]} for n in range(count)]


STRANGE = [
    0, -1, 1.5, 1e300, -1.25e-7, 9007199254740993, 18446744073709551615, -9223372036854775808,
    True, False, None, "", "plain", "line\nbreak\ttab\"quote\\", "\u0000nul escaped", "é ü ß",
    "日本語", "🜁🜂🜃🜄", "\u2028\u2029", [], {}, [[[[1]]]], {"": ""}, {"a": {"b": {"c": []}}},
    {"ключ": "значение"}, [None, True, 0, "x", {}, []],
]


def ndjson(values):
    """One compact JSON text a line, as bytes."""
    return b"".join(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
                    for value in values)


def odd_pieces(data, seed=1, largest=37):
    """Cuts bytes where nobody expects it: single bytes, inside UTF-8, between CR and LF."""
    rng = random.Random(seed)
    at = 0
    while at < len(data):
        size = rng.choice((1, 1, 2, 3, rng.randint(1, largest)))
        yield data[at:at + size]
        at += size
