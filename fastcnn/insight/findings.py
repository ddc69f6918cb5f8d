"""Findings: what the size rules say, the worst first, and how it is printed."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from fastcnn.support.tables import terminal_width

__all__ = ["SEVERITIES", "Finding", "Findings"]

SEVERITIES = ("error", "warning", "note")  # it cannot run, or not as asked; it loses pixels or time; it is worth knowing


class Finding(NamedTuple):
    layer: str  # its path; "" for the network as a whole
    rule: str
    severity: str  # "error", "warning" or "note"
    message: str  # why, and what to do


class Findings(list[Finding]):
    """The worst first. print() shows them as text as wide as the terminal."""

    def worst(self) -> str | None:
        """The severity of the first."""
        return self[0].severity if self else None

    def __str__(self) -> str:
        return self.text(terminal_width())

    __repr__ = __str__

    def text(self, width: int) -> str:
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
