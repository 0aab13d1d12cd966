"""Counts what a scan reads, by what makes it fail: for any engine.

A scan is a function of paths, which reads all rows of a query and raises an exception whose text
has the path of the file that fails. The counts do not trust the scan to report anything. A block
that can be damaged without a failure is not verified, and a file or record that can be missing
without one is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import oracle
from cars import Cid, Repository, car

Scan = Callable[[list[Path]], object]
Keys = tuple[str, str]
"""A range of keys: from the first (inclusive) to the second (exclusive)."""

EVERY_KEY: Keys = ("", "\U0010ffff")


def of_collection(name: str) -> Keys:
    return f"{name}/", f"{name}0"


def fails(scan: Scan, paths: list[Path], bad: Path) -> bool:
    """Whether a scan fails because of a file."""
    try:
        scan(paths)
    except Exception as error:
        if bad.name not in str(error):
            raise
        return True
    return False


def opened_files(scan: Scan, paths: list[Path]) -> set[Path]:
    """The files without which the scan fails. Each is removed for a while."""
    scan(paths)
    opened = set()
    for path in paths:
        away = path.rename(path.with_name(f"{path.name}.away"))
        if fails(scan, paths, path):
            opened.add(path)
        away.rename(path)
    return opened


def verified_blocks(scan: Scan, repository: Repository, path: Path) -> set[Cid]:
    """The blocks that cannot be damaged, each alone, without a failure of the scan."""
    blocks = dict(repository.blocks())
    root = next(iter(blocks))
    path.write_bytes(car(root, blocks.items()))
    scan([path])
    verified = set()
    for cid, block in blocks.items():
        damaged = block[:-1] + bytes([block[-1] ^ 1])
        path.write_bytes(car(root, (blocks | {cid: damaged}).items()))
        if fails(scan, [path], path):
            verified.add(cid)
    return verified


def read_blocks(scan: Scan, repository: Repository, path: Path) -> set[Cid]:
    """The blocks that cannot be missing, each alone, without a failure of the scan."""
    blocks = dict(repository.blocks())
    root = next(iter(blocks))
    path.write_bytes(car(root, blocks.items()))
    scan([path])
    read = set()
    for cid in blocks:
        rest = [(other, block) for other, block in blocks.items() if other != cid]
        path.write_bytes(car(root, rest))
        if fails(scan, [path], path):
            read.add(cid)
    return read


def needed_blocks(repository: Repository, keys: Keys, *, records: bool) -> set[Cid]:
    """The blocks that prove which records are in a range of keys, with these records or not.

    They are the commit and the nodes that can have keys of the range, in themselves or below.
    """
    blocks = dict(repository.blocks())
    root = next(iter(blocks))
    found = {root}
    # Nodes with the keys before and after them: all of their keys are between these.
    pending: list[tuple[Cid | None, str, str]]
    pending = [(oracle.decode(blocks[root])["data"], "", EVERY_KEY[1])]
    while pending:
        cid, before, after = pending.pop()
        if cid is None or after <= keys[0] or f"{before}\0" >= keys[1]:
            continue
        found.add(cid)
        pending += children(blocks[cid], before, after)
    if records:
        found |= {repository.cid(key) for key in repository.records if keys[0] <= key < keys[1]}
    return found


def children(node: bytes, before: str, after: str) -> Iterable[tuple[Cid | None, str, str]]:
    """The subtrees of a node, with the keys before and after each."""
    value, key = oracle.decode(node), b""
    keys, links = [before], [value["l"]]
    for entry in value["e"]:
        key = key[: entry["p"]] + entry["k"]
        keys.append(key.decode())
        links.append(entry["t"])
    return zip(links, keys, [*keys[1:], after], strict=True)


def cut_after_the_commit(repository: Repository) -> bytes:
    """A CAR that ends in the middle of its second block."""
    whole = repository.car()
    (root, commit), *_ = repository.blocks()
    end = len(car(root, [(root, commit)]))
    return whole[: end + 10]
