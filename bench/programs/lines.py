"""The `orders` work on standard input, a line for a line, empty where there is nothing to say: what
leat's plain protocol wants, and what GNU parallel can run as well.

Called as `lines.py each` it flushes behind each line, as a program must that somebody waits for.
"""

import hashlib
import json
import sys


def main():
    each = sys.argv[1:] == ["each"]
    loads, sha256, write, flush = json.loads, hashlib.sha256, sys.stdout.write, sys.stdout.flush
    dumps = json.JSONEncoder(separators=(",", ":")).encode
    for line in sys.stdin:
        order = loads(line)
        if order["qty"] == 0:
            write("\n")
        else:
            sha = sha256(order["text"].encode()).hexdigest()
            write(dumps({"id": order["id"], "total": order["price"] * order["qty"], "sha": sha}) + "\n")
        if each:
            flush()


main()
