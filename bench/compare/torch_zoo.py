"""The same networks in PyTorch: the zoo's own source, run with torch.nn in the place of fastcnn's layers, whose names it uses.

So PyTorch exports what its users would write, and its state_dict has the same keys. Runs in the peers' environment, without fastcnn.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from compare.networks import NETWORKS, SEQUENTIAL

__all__ = ["network"]

ZOO = Path(__file__).parents[2] / "fastcnn" / "zoo"


class Module(torch.nn.Module):
    """The zoo's modules do not call super().__init__()."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Module:
        made = super().__new__(cls)
        torch.nn.Module.__init__(made)
        return made

    def __init__(self) -> None:
        pass


class Sequential(torch.nn.Sequential):
    """fastcnn's takes a plain dictionary, too."""

    def __init__(self, *modules: Any) -> None:
        super().__init__(*(OrderedDict(entry) if isinstance(entry, dict) else entry for entry in modules))


def _unchecked(where: str, name: str, value: Any, *limits: Any, **more: Any) -> Any:
    return value


def _halved(x: torch.Tensor) -> torch.Tensor:
    """ResNet's shortcut without weights as it is written in PyTorch; the zoo's form costs the peers three steps more."""
    return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, x.shape[1] // 2, x.shape[1] // 2))


def _stand_in(name: str, **content: Any) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module


def _stand_ins() -> None:
    """Replaces the modules of fastcnn that the zoo imports by ones made of torch."""
    for room in ("fastcnn", "fastcnn.network", "fastcnn.nn", "fastcnn.support", "fastcnn.tracing"):
        _stand_in(room, __path__=[])
    _stand_in("fastcnn.zoo", __path__=[str(ZOO)])
    _stand_in("fastcnn.support.arguments", flag=_unchecked, number=_unchecked, whole=_unchecked, seed_or_none=lambda where, seed: seed)
    _stand_in("fastcnn.nn.containers", ModuleList=torch.nn.ModuleList, Sequential=Sequential)
    _stand_in("fastcnn.functional", **vars(F), concat=torch.cat)
    _stand_in("fastcnn.network.initial", seeded=contextlib.nullcontext)
    _stand_in("fastcnn.nn.layers", **vars(torch.nn))
    _stand_in("fastcnn.network.origin", remember_origin=lambda net, function, arguments: None)
    _stand_in("fastcnn.nn.module", Module=Module)
    _stand_in("fastcnn.network.network", LoadedKeys=object, given_state=lambda state: state)
    _stand_in("fastcnn.tracing.value", Value=torch.Tensor)


def network(name: str) -> torch.nn.Module:
    """In evaluation mode, with weights that mean nothing yet."""
    entry = NETWORKS[name]
    if not entry.zoo:
        return SEQUENTIAL[name](torch.nn).eval()
    if "fastcnn.zoo" not in sys.modules:
        _stand_ins()
    module: Any = importlib.import_module(f"fastcnn.zoo.{entry.file}")
    if hasattr(module, "_halved"):
        module._halved = _halved
    return getattr(module, entry.zoo)(**entry.arguments).eval()
