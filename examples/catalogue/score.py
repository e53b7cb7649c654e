"""How well an article sells: a stage in Python. What is sold below its cost is a failure."""

from leat_stage import Permanent, params, stage

TARGET = params().get("target_percent", 30)


def score(item, supplier):
    margin = 100 - supplier["cost_percent"]
    if margin <= 0:
        raise Permanent(f"{item['supplier']} costs {-margin} % more than the price")
    points = 100 * margin // TARGET - 2 * supplier["lead_days"]
    return points + (10 if item["stock"] > 0 else 0)


@stage
def work(item):
    supplier = item.pop("found")
    return {**item, "country": supplier["country"], "score": score(item, supplier)}
