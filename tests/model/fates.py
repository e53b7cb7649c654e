"""What an item of a history comes to. Written from the pages of the stages."""


def filtered_out(params, value):
    return not value[params["pointer"][1:]] >= params["value"]


def fate(stages, value):
    """(succeeded | filtered | failed, its results, the stage at which it failed)."""
    values = [value]
    for stage in stages:
        use, params = stage["use"], stage.get("params", {})
        if use == "filter":
            values = [v for v in values if not filtered_out(params, v)]
        elif use == "explode":
            for v in values:
                if not isinstance(v["parts"], list):
                    return "failed", [], use
            values = [part for v in values for part in v["parts"]]
        elif use not in ("pass", "sleep"):
            raise ValueError(f"no fate is known at stage {use}")
    return ("succeeded" if values else "filtered"), values, None
