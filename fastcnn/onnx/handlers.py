"""The table of supported operators: op type -> what makes it of nodes of the core ("operator"), and what computes it by NumPy ("fold").

@operator("Softmax", since=13)      from this opset on, until another entry of the name takes over
@fold("Squeeze")                    where all inputs are constants
"""

from __future__ import annotations

from collections.abc import Callable

from fastcnn.onnx.call import Call, Results
from fastcnn.tracing.value import Value

__all__ = ["NEWEST_OPSET", "OLDEST_OPSET", "Handler", "fold", "folder_of", "handler_of", "mover", "operator"]

OLDEST_OPSET, NEWEST_OPSET = 7, 28

Handler = Callable[[Call], Results]
_handlers: dict[str, dict[int, Handler]] = {}
_folders: dict[str, Handler] = {}


def operator(*names: str, since: int = 1) -> Callable[[Handler], Handler]:
    def enter(handler: Handler) -> Handler:
        for name in names:
            _handlers.setdefault(name, {})[since] = handler
        return handler

    return enter


def fold(*names: str) -> Callable[[Handler], Handler]:
    def enter(handler: Handler) -> Handler:
        for name in names:
            _folders[name] = handler
        return handler

    return enter


def mover(*names: str) -> Callable[[Handler], Handler]:
    """One function for both: it takes its input by Call.data and works with the functions of symbolic.py that move values. What is moved
    stays bool if it was.
    """

    def enter(handler: Handler) -> Handler:
        def marked(call: Call) -> Results:
            results = handler(call)
            if not call.folds and call.is_boolean(0):
                for value in results if isinstance(results, tuple) else (results,):
                    if isinstance(value, Value):
                        call.boolean(value)
            return results

        operator(*names)(marked)
        return fold(*names)(handler)

    return enter


def handler_of(name: str, opset: int) -> Handler | None:
    """The handler of an operator in files of this opset."""
    versions = _handlers.get(name, {})
    since = max((version for version in versions if version <= opset), default=None)
    return None if since is None else versions[since]


def folder_of(name: str) -> Handler | None:
    return _folders.get(name)
