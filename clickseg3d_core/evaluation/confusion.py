"""Which classes are taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def confusion_lines(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """A confusion table that stays readable with many classes: a Markdown row for each true class.

    Args:
        pairs: True name and given name of each object; "" as given name = none.

    Returns:
        Lines of the table, the most frequent true class first, every given name counted; the last
        row is all objects.
    """
    given: dict[str, Counter[str]] = {}
    for truth, name in pairs:
        given.setdefault(truth, Counter())[name or "nothing"] += 1
    lines = ["| class | objects | right | taken for |", "| --- | --- | --- | --- |"]
    total = right = 0
    for truth, names in sorted(given.items(), key=lambda row: (-row[1].total(), row[0])):
        total, right = total + names.total(), right + names[truth]
        wrong = sorted(names.items(), key=lambda row: (-row[1], row[0]))
        listed = ", ".join(f"{name} {n}" for name, n in wrong if name != truth)
        share = names[truth] / names.total()
        lines.append(f"| {truth} | {names.total()} | {share:.2f} | {listed or '-'} |")
    lines.append(f"| all | {total} | {right / max(total, 1):.2f} | |")
    return lines
