"""Two hundred kills that find work under way, in storms over jobs of all kinds at once: stages in
process, in processes of their own and of others, a source, sinks with and without a state."""

import test_any_code as any_code
import test_kept as kept
from support.leat import *

KILLS = 20  # in each storm
ENOUGH = 200


@slow
@timeout(1500)
def test_two_hundred_kills_under_all_kinds_of_stages(t):
    struck = storms = 0
    while struck < ENOUGH and storms < 3 * ENOUGH // KILLS:
        seed = (t.settings.seed or int(time.time()) % 1000000) + storms
        sqlite, files = any_code.into_sqlite(t, 2000, seed)
        loads = [kept.plain(2500, seed), kept.ordered(2500, seed), kept.troubled(2500, seed),
                 kept.generated(7500, seed), kept.summed(2500, seed),
                 any_code.isolated(1500, seed), any_code.plain(1500, seed), sqlite]
        struck += any_code.rage(t, loads, files, KILLS)
        storms += 1
    t.note(f"{storms} storms of {KILLS} kills, {struck} kills found unfinished work")
    ok(struck >= ENOUGH, f"only {struck} kills found unfinished work")
