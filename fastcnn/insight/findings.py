"""Findings: the results of the size rules, the worst first, and their text."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from fastcnn.support.tables import terminal_width

__all__ = ["SEVERITIES", "Finding", "Findings"]

SEVERITIES = ("error", "warning", "note")  # it cannot run, or breaks strict rules; it loses pixels or time; it is worth knowing


class Finding(NamedTuple):
    """One result of a rule."""

    layer: str  # its path; "" for the network as a whole
    rule: str
    severity: str  # "error", "warning" or "note"
    message: str  # why, and what to do


class Findings(list[Finding]):
    """What Module.check returns: a list of Finding, the worst first. print() shows them as text as wide as the terminal.

    >>> import fastcnn as fc
    >>> findings = fc.Sequential(fc.Conv2d(3, 8, 3, padding=1), fc.ReLU(), fc.MaxPool2d(2)).check((3, 33, 33))
    >>> [(finding.rule, finding.layer) for finding in findings], findings.worst()
    ([('input_side', '')], 'warning')
    """

    def worst(self) -> str | None:
        """The severity of the first finding; None without findings."""
        return self[0].severity if self else None

    def __str__(self) -> str:
        return self.text(terminal_width())

    __repr__ = __str__

    def text(self, width: int) -> str:
        """The findings as lines of at most `width` columns, and how many there are of each severity."""
        if not self:
            return "no findings"
        parts = []
        for finding in self:
            head = f"{finding.severity}  {finding.rule}  {finding.layer or 'network'}"
            parts += [head, *textwrap.wrap(finding.message, width, initial_indent="    ", subsequent_indent="    ")]
        counts = [f"{count} {severity}{'s' * (count > 1)}" for severity in SEVERITIES if (count := self._count(severity))]
        return "\n".join([*parts, ", ".join(counts)])

    def _count(self, severity: str) -> int:
        return sum(finding.severity == severity for finding in self)
