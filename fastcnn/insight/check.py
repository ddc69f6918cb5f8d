"""check: findings about the sizes of a network and of its input, by the rules of practitioners in size_rules.py."""

from __future__ import annotations

from collections.abc import Sequence

from fastcnn.insight.findings import SEVERITIES, Findings
from fastcnn.insight.size_rules import RULES
from fastcnn.insight.view import View
from fastcnn.network.network import Network
from fastcnn.support.arguments import flag, shape_of

__all__ = ["check"]


def check(net: Network, shape: Sequence[int], strict: bool) -> Findings:
    """See Module.check."""
    flag("check", "strict", strict)
    view = View(net, shape_of("check", shape, 3))
    if 0 in view.image:
        raise ValueError(f"[check] no axis of the input may be empty. Got {view.image}.")
    found = [finding for rule in RULES for finding in rule(view, strict)]
    return Findings(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))
