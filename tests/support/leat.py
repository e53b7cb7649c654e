"""Everything a test file needs, under one name:

    from support.leat import *

    def test_an_item_comes_out_as_it_went_in(t):
        job = t.job(["pass"])
        job.send([{"a": 1}], close=True)
        job.wait_done()
        eq(job.results(), [{"a": 1}])
"""

import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

from . import expect, items, model, proc
from .client import NDJSON, Api, Job, quoted, target, until
from .expect import (FATES, canonical, counts_add_up, eq, has_pointers, ok, pointers, problem,
                     same_list, same_multiset, status, within)
from .items import ndjson, numbers, odd_pieces, texts
from .context import SHARED_OPTIONS, Context, alone, slow, timeout
from .server import Server
from .wire import Closed, Connection, Events, Lines

JSON = "application/json"

__all__ = [name for name in dir() if not name.startswith("_")]
