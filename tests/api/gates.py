"""A cause of failures that goes away when a test says so."""

import os
import tempfile


def gate(t, **more):
    """A stage that fails while a file is there; answers it and what opens the gate."""
    t.need_modules()
    with tempfile.NamedTemporaryFile(prefix="leat-gate-", delete=False) as file:
        path = file.name

    def open_gate():
        if os.path.exists(path):
            os.unlink(path)
    t.cleanup.append(open_gate)
    return {"use": "gate", "params": {"file": path}, **more}, open_gate
