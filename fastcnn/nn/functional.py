"""The functions of fastcnn.functional under the name of torch.nn.functional."""

from typing import TYPE_CHECKING, NoReturn

from fastcnn import functional
from fastcnn.functional import *  # noqa: F403
from fastcnn.support.missing_names import no_attribute

__all__: list[str] = []
__all__ += functional.__all__

if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        raise no_attribute("fastcnn.nn.functional", name, globals())
