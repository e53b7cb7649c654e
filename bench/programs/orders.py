"""The `orders` work by the helper for Python."""

import hashlib

from leat_stage import stage


@stage
def work(order):
    if order["qty"] == 0:
        return None
    sha = hashlib.sha256(order["text"].encode()).hexdigest()
    return {"id": order["id"], "total": order["price"] * order["qty"], "sha": sha}
