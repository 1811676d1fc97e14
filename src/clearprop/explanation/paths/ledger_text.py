"""A ledger as text: each path with its factors, then how they close."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .entries import Path
    from .ledger import Ledger

_IN_FULL = 4
"""Paths up to which each factor has a line of its own."""


def text(ledger: Ledger) -> str:
    """Return the ledger as text."""
    shown, whole = len(ledger.paths), ledger.count - ledger.cut
    head = f"∂L/∂{ledger.symbol}, {ledger.name}{list(ledger.index)}: "
    if not ledger.count:
        return f"{head}no path leads from it to the loss, so its gradient is 0"
    head += f"{ledger.count:,} {_paths(ledger.count)} to the loss"
    if ledger.cut:
        head += f", of which {ledger.cut:,} {'is' if ledger.cut == 1 else 'are'} cut off by a factor of 0"
    if shown < whole:
        head += f"; the {shown:,} largest"
    describe = _in_full if shown <= _IN_FULL else _in_brief
    blocks = [describe(number, path) for number, path in enumerate(ledger.paths, start=1)]
    return "\n".join([head, "", *blocks, "", *_closing(ledger)])


def _paths(count: int) -> str:
    return "path" if count == 1 else "paths"


def _in_full(number: int, path: Path) -> str:
    symbols = [factor.symbol for factor in path.factors]
    meanings = [f"= {factor.means}" if factor.means else "" for factor in path.factors]
    wide, broad = max(map(len, symbols)), max(map(len, meanings))
    lines = [f"{number:>4}  {' → '.join(path.stops)}"]
    lines += [
        f"        {symbol:<{wide}} {means:<{broad}} = {_aligned(factor.value)}"
        for symbol, means, factor in zip(symbols, meanings, path.factors, strict=True)
    ]
    lines.append(f"        {'their product':<{wide + broad + 1}} = {_aligned(path.product)}")
    return "\n".join(lines)


def _in_brief(number: int, path: Path) -> str:
    numbers = " · ".join(f"{factor.value:.4g}" for factor in path.factors)
    return f"{number:>4}  {path.product:>+12.6g} = {numbers}\n      {' → '.join(path.stops)}"


def _aligned(value: float) -> str:
    """Return a number with nine decimals, so that points stand in line; very small and large ones with a power."""
    return f"{value:>+14.9f}" if value == 0 or 1e-4 <= abs(value) < 1e4 else f"{value:>+14.6e}"


def _closing(ledger: Ledger) -> list[str]:
    shown = len(ledger.paths)
    these = "this path" if shown == 1 else f"these {shown:,} paths"
    rows = [(f"sum of {these}", ledger.listed)]
    if not ledger.complete:
        rest = ledger.count - ledger.cut - shown
        rows.append((f"the other {rest:,} {_paths(rest)}, together", ledger.remainder))
        rows.append(("sum of all paths", ledger.listed + ledger.remainder))
    rows.append((f"∂L/∂{ledger.symbol} of the backward pass", ledger.gradient))
    wide = max(len(label) for label, _ in rows)
    lines = [f"  {label:<{wide}}  {value:>+16.9g}" for label, value in rows]
    lines.append(f"  {'difference':<{wide}}  {ledger.difference:>+16.2g}")
    if not ledger.complete and ledger.magnitude:
        share = sum(abs(path.product) for path in ledger.paths) / ledger.magnitude
        lines.append(
            f"  Those shown hold {share:.1%} of the magnitudes of all paths, which add up to {ledger.magnitude:.6g}."
        )
    return lines
