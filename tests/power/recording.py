"""What was written to the ledger, in order, and what a disk may hold of it when the power goes.

A disk that says "synced" has everything that was written before. Of what was written since, it
may have any sectors of 512 bytes and lack the others, in any order. A write through O_DSYNC is
there when it has returned. A file that was renamed has its old or its new name until its folder
is synced. A moment is a place in the recording: the records before it have
returned, the one behind it was under way.
"""

import json
import os
import struct

RECORD = struct.Struct("=IIQ")  # struct record of recordio.c
WRITE, SYNC, DURABLE_WRITE, MARK, RENAME, FOLDER_SYNC = 1, 2, 3, 4, 5, 6
SECTOR = 512


def marked(path, said):
    """What a client was told by now, appended to the recording."""
    text = json.dumps(said).encode()
    with open(path, "ab", buffering=0) as file:
        file.write(RECORD.pack(MARK, len(text), 0) + text)


def read(path):
    """(kind, offset, bytes) of every record."""
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at < len(data):
        kind, size, offset = RECORD.unpack_from(data, at)
        at += RECORD.size
        yield kind, offset, data[at:at + size]
        at += size


class Image:
    """A file's bytes, which grow as they are written."""

    def __init__(self, data=b"", name="data.mdb.new"):
        self.data = bytearray(data)
        self.name = name

    def write(self, offset, data):
        end = offset + len(data)
        if end > len(self.data):
            self.data.extend(bytes(end - len(self.data)))
        self.data[offset:end] = data

    def write_torn(self, offset, data, rng):
        """Some of its sectors."""
        for at in range(0, len(data), SECTOR):
            if rng.random() < 0.5:
                self.write(offset + at, data[at:at + SECTOR])

    def save(self, folder):
        with open(os.path.join(folder, self.name), "wb") as file:
            file.write(self.data)


class Moments:
    """Walks a recording from its begin to its end: what is durable, what is not yet, what the
    client was told."""

    def __init__(self, records):
        self.records = records
        self.at = 0
        self.durable = Image()
        self.pending = []
        self.names = [self.durable.name]  # that it may have
        self.told = {}

    def go(self, moment):
        """To the moment before that record returns; only onwards."""
        while self.at < moment:
            kind, offset, data = self.records[self.at]
            self.at += 1
            if kind == WRITE:
                self.pending.append((offset, data))
            elif kind == DURABLE_WRITE:
                self.durable.write(offset, data)
            elif kind == SYNC:
                for written in self.pending:
                    self.durable.write(*written)
                self.pending.clear()
            elif kind == RENAME:
                self.names.append("data.mdb")
            elif kind == FOLDER_SYNC:
                del self.names[:-1]
            else:
                self.told = json.loads(data)

    def image(self, how, rng):
        """What the disk holds now. `how`: none, all, some, torn (of what is not durable)."""
        image = Image(self.durable.data, rng.choice(self.names))
        under_way = list(self.pending)
        if self.at < len(self.records) and self.records[self.at][0] in (WRITE, DURABLE_WRITE):
            under_way.append(self.records[self.at][1:])
        for offset, data in under_way:
            if how == "all" or (how == "some" and rng.random() < 0.5):
                image.write(offset, data)
            elif how == "torn":
                image.write_torn(offset, data, rng)
        return image


def sizes(records):
    """For people: how much of what there is."""
    count = {kind: sum(1 for record in records if record[0] == kind)
             for kind in (WRITE, SYNC, DURABLE_WRITE, MARK)}
    total = sum(len(record[2]) for record in records if record[0] != MARK)
    return (f"{count[WRITE]} writes, {count[DURABLE_WRITE]} durable ones, {count[SYNC]} syncs, "
            f"{count[MARK]} marks, {total / (1 << 20):.1f} MiB")


def shim(program):
    built = os.path.join(os.path.dirname(os.path.abspath(program)), "tests", "power",
                         "librecordio.so")
    return built if os.path.exists(built) else None
