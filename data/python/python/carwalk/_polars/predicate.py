"""Predicates of Polars as selections of keys and accounts."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator

import polars
from polars import Expr
from polars.exceptions import PanicException

from carwalk._pushdown import Selection

__all__ = ["narrow"]

# Each comparison, and the same one with its operands swapped.
_COMPARISONS: dict[str, tuple[str, Callable[[Expr, Expr], Expr]]] = {
    "==": ("==", operator.eq),
    "<": (">", operator.lt),
    "<=": (">=", operator.le),
    ">": ("<", operator.gt),
    ">=": ("<=", operator.ge),
}


def narrow(selection: Selection, predicate: Expr) -> Selection:
    """Narrows a selection by the parts of a predicate that compare a column with texts.

    Other parts are left out, and so is what another version of Polars writes in another way.
    """
    try:
        for column, comparison, value in _comparisons(predicate):
            selection = selection.where(column, comparison, value)
    # The rows are filtered in any case.
    except (Exception, PanicException):
        pass
    return selection


def _comparisons(predicate: Expr) -> Iterator[tuple[str, str, object]]:
    """Each comparison of a column with texts that holds if the predicate does.

    Expressions are compared with rebuilt ones: their serialized forms change between versions of
    Polars, and are large for long lists. A loop, since a predicate can have thousands of parts.
    """
    pending = [predicate]
    while pending:
        expression = pending.pop()
        operands = expression.meta.pop()
        if len(operands) != 2:
            continue
        left, right = operands
        if expression.meta.eq(left & right) or expression.meta.eq(right & left):
            pending += operands
        elif left.meta.is_column() and right.meta.is_literal(allow_aliasing=True):
            yield from _comparison(expression, left, right)
        elif right.meta.is_column() and left.meta.is_literal(allow_aliasing=True):
            yield from _comparison(expression, right, left)


def _comparison(expression: Expr, column: Expr, literal: Expr) -> Iterator[tuple[str, str, object]]:
    name = column.meta.output_name()
    if expression.meta.eq(column.is_in(literal)):
        texts = _texts(literal)
        if texts is not None:
            yield name, "in", texts
        return
    for comparison, (swapped, compare) in _COMPARISONS.items():
        if expression.meta.eq(compare(column, literal)):
            found = comparison
        elif expression.meta.eq(compare(literal, column)):
            found = swapped
        else:
            continue
        texts = _texts(literal)
        if texts is not None and len(texts) == 1:
            yield name, found, texts[0]


def _texts(literal: Expr) -> list[str | None] | None:
    """The texts of a literal: one, or those of a list. None: it has something else."""
    values = polars.select(literal).to_series()
    if isinstance(values.dtype, polars.List | polars.Array):
        values = values.explode()
    return values.to_list() if values.dtype == polars.String else None
