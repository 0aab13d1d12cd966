"""Which columns a statement reads, according to DuckDB's plan."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["columns_of"]


class UnknownPlan(Exception):
    """A plan of a shape that this module does not know."""


def columns_of(plan: str, columns: Sequence[str]) -> frozenset[str] | None:
    """Returns those of the columns that the scans of Arrow objects in a plan read.

    The plan is the answer to ``EXPLAIN (FORMAT JSON)``. The result may have more columns, such as
    those of another object. It is None if the plan does not say which columns a scan reads.
    """
    try:
        scans = [node for node in _nodes(json.loads(plan)) if _reads_arrow(node)]
        names = set[str]().union(*map(_names_in_scan, scans))
    except (ValueError, RecursionError, UnknownPlan):
        return None
    return frozenset(columns) & names


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """The nodes of a plan, without recursion: plans can be deep."""
    waiting = [plan]
    while waiting:
        match waiting.pop():
            case list() as nodes:
                waiting += nodes
            case {"name": str(), "children": list() as children, "extra_info": dict()} as node:
                waiting += children
                yield node
            case _:
                raise UnknownPlan


def _reads_arrow(node: dict[str, Any]) -> bool:
    return "ARROW" in f"{node['name']} {node['extra_info'].get('Function', '')}".upper()


def _names_in_scan(node: dict[str, Any]) -> set[str]:
    """The columns of a scan, and all words of its other entries.

    A filter in the scan, or an entry that a later DuckDB has, may mention a column that is not one
    of the scan's.
    """
    info = dict(node["extra_info"])
    projections = info.pop("Projections", None)
    match projections:
        case str():
            names = {projections, *projections.split("\n")}
        case list() if all(isinstance(name, str) for name in projections):
            names = set(projections)
        case _:
            raise UnknownPlan
    return names | set(re.findall(r"\w+", json.dumps(info, ensure_ascii=False)))
