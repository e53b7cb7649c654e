#!/usr/bin/env python3
"""loop.py IN OUT [ROUNDS]: the `orders` work as a plain Python loop, file to file.

What most people would write first; bench/run compares leat with it.
"""

import hashlib
import json
import sys


def main():
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    loads, sha256 = json.loads, hashlib.sha256
    dumps = json.JSONEncoder(separators=(",", ":")).encode
    with open(sys.argv[1], "rb") as source, open(sys.argv[2], "w", encoding="utf-8") as out:
        for line in source:
            order = loads(line)
            if order["qty"] == 0:
                continue
            sha = sha256(order["text"].encode() * rounds).hexdigest()
            out.write(dumps({"id": order["id"], "total": order["price"] * order["qty"],
                             "sha": sha}) + "\n")


main()
