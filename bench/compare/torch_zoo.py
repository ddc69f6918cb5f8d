"""The same networks in PyTorch: the source of the zoo, run with torch.nn in place of fastcnn's layers, which have the same names.

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
    """A base class for the zoo's modules, which do not call super().__init__()."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Module:
        made = super().__new__(cls)
        torch.nn.Module.__init__(made)
        return made

    def __init__(self) -> None:
        pass


class Sequential(torch.nn.Sequential):
    """Takes a plain dictionary, too, as fastcnn's Sequential does."""

    def __init__(self, *modules: Any) -> None:
        super().__init__(*(OrderedDict(entry) if isinstance(entry, dict) else entry for entry in modules))


class Layer:
    """Stands for fastcnn's Layer, whose settings the zoo reads. No module of torch is an instance of it."""


def _unchecked(where: str, name: str, value: Any, *limits: Any, **more: Any) -> Any:
    return value


def _halved(x: torch.Tensor) -> torch.Tensor:
    """ResNet's shortcut without weights as PyTorch users write it; the zoo's form would cost the peers three more steps."""
    return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, x.shape[1] // 2, x.shape[1] // 2))


def _stand_in(name: str, **content: Any) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module


def _stand_ins() -> None:
    """Replaces the modules of fastcnn that the zoo imports by ones made of torch."""
    _stand_in("fastcnn", __path__=[])
    _stand_in("fastcnn.zoo", __path__=[str(ZOO)])
    _stand_in("fastcnn.arguments", flag=_unchecked, number=_unchecked, whole=_unchecked, seed_or_none=lambda where, seed: seed)
    _stand_in("fastcnn.containers", ModuleList=torch.nn.ModuleList, Sequential=Sequential)
    _stand_in("fastcnn.functional", **vars(F), concat=torch.cat)
    _stand_in("fastcnn.initial", seeded=contextlib.nullcontext)
    _stand_in("fastcnn.layers", **vars(torch.nn), Layer=Layer)
    _stand_in("fastcnn.module", Module=Module)
    _stand_in("fastcnn.registry", LoadedKeys=object, given_state=lambda state: state)
    _stand_in("fastcnn.value", Value=torch.Tensor)


def network(name: str) -> torch.nn.Module:
    """The network of this name in evaluation mode; its weights are still random."""
    entry = NETWORKS[name]
    if not entry.zoo:
        return SEQUENTIAL[name](torch.nn).eval()
    if "fastcnn.zoo" not in sys.modules:
        _stand_ins()
    module: Any = importlib.import_module(f"fastcnn.zoo.{entry.file}")
    if hasattr(module, "_halved"):
        module._halved = _halved
    return getattr(module, entry.zoo)(**entry.arguments).eval()
