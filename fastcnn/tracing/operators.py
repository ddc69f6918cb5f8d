"""What each op of the core is, declared once: a row for each op that forward() may append.

Each table of the package that knows ops looks its rule up by a word of the row. The rules stand in the table's file, where they are needed:

    batch    tracing/batch_size.py         which axes of the outputs follow the size of the batch
    field    insight/receptive_field.py    what an entry of the outputs sees of the image
    slide    nn/sliding.py                 the op's form in a network that slides over larger images
    macs     insight/summary.py            its multiply-adds
    export   saving/onnx/operators.py      its form in ONNX

An op that behaves like others takes their words, and no table changes. INTERNAL lists the other ops of cpp/ops/ops.inc.
tests/test_operator_tables.py holds the rows against ops.inc and against the tables.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["INTERNAL", "OPERATORS", "Direct", "Operator", "Refused", "row_of"]


class Refused:
    """Instead of a rule: networks with the op cannot be slid or exported. rule: in the error, "[where] rule. Got op."."""

    __slots__ = ("rule",)

    def __init__(self, rule: str) -> None:
        self.rule = rule


class Direct:
    """Instead of a rule: the op is one operator of ONNX, with the same inputs and with these attributes of the op."""

    __slots__ = ("attributes", "kind")

    def __init__(self, kind: str, *attributes: str) -> None:
        self.kind = kind
        self.attributes = attributes


class Operator(NamedTuple):
    """The words of one op. Those that name rules have no default, so that none is forgotten."""

    batch: str
    field: str
    slide: str | Refused
    macs: str
    export: str | Direct | Refused
    batch_attribute: str = ""  # of the attributes, the one that may depend on the size of the batch


def row_of(op: str) -> Operator:
    """The row of an op in a trace."""
    row = OPERATORS.get(op)
    if row is None:
        raise LookupError(f"[{op}] an op of forward() must have a row in OPERATORS of fastcnn/tracing/operators.py. Got none.")
    return row


_NO_SLIDING = Refused("every operation must be one that slides over an image")
_NO_FORM = Refused("every operator must have a form in ONNX")


def _binary(kind: str) -> Operator:
    """Arithmetic of two values that broadcast. kind: its operator of ONNX."""
    return Operator(batch="alike", field="aligned", slide="binary", macs="none", export=Direct(kind))


OPERATORS: dict[str, Operator] = {
    # products with weights
    "conv2d": Operator(batch="alike", field="convolution", slide="same", macs="per_output", export="conv2d"),
    "conv_transpose2d": Operator(batch="alike", field="transposed_convolution", slide="same", macs="per_input", export="conv_transpose2d"),
    "linear": Operator(batch="alike", field="last_axis", slide="linear", macs="per_output", export="linear"),
    # pooling
    "avg_pool": Operator(batch="alike", field="pooling", slide="pooling", macs="none", export="avg_pool"),
    "max_pool": Operator(batch="alike", field="pooling", slide="pooling", macs="none", export="max_pool"),
    # entry by entry
    "activation": Operator(batch="alike", field="aligned", slide="pointwise", macs="none", export="activation"),
    "cast": Operator(batch="alike", field="aligned", slide=_NO_SLIDING, macs="none", export="cast"),
    "dropout": Operator(batch="alike", field="aligned", slide=_NO_SLIDING, macs="none", export=_NO_FORM),
    "prelu": Operator(batch="alike", field="aligned", slide="same", macs="none", export="prelu"),
    "scale_shift": Operator(batch="alike", field="aligned", slide="pointwise", macs="none", export="scale_shift"),
    # entry by entry, of several values that broadcast
    "add": _binary("Add"),
    "divide": _binary("Div"),
    "maximum": _binary("Max"),
    "minimum": _binary("Min"),
    "multiply": _binary("Mul"),
    "power": _binary("Pow"),
    "subtract": _binary("Sub"),
    "compare": Operator(batch="alike", field="aligned", slide=_NO_SLIDING, macs="none", export="compare"),
    "where": Operator(batch="alike", field="aligned", slide=_NO_SLIDING, macs="none", export="where"),
    # normalization
    "batch_norm": Operator(batch="alike", field="aligned", slide="same", macs="none", export="batch_norm"),
    "batch_norm_training": Operator(batch="alike", field="aligned", slide=_NO_SLIDING, macs="none", export=_NO_FORM),
    "batch_norm_update": Operator(batch="none", field="aligned", slide=_NO_SLIDING, macs="none", export=_NO_FORM),
    "local_response_norm": Operator(batch="alike", field="channels", slide="same", macs="none", export="local_response_norm"),
    "log_softmax": Operator(batch="alike", field="one_axis", slide="per_channel", macs="none", export=Direct("LogSoftmax", "axis")),
    "normalize": Operator(batch="rows", field="last_axes", slide=_NO_SLIDING, macs="none", export="normalize"),
    "softmax": Operator(batch="alike", field="one_axis", slide="per_channel", macs="none", export=Direct("Softmax", "axis")),
    # reductions
    "arg_max": Operator(batch="reduction", field="reduction", slide=_NO_SLIDING, macs="none", export="arg_max"),
    "reduce": Operator(batch="reduction", field="reduction", slide="reduction", macs="none", export="reduce"),
    "top_k": Operator(batch="one_axis", field="one_axis", slide=_NO_SLIDING, macs="none", export="top_k"),
    # products of two values
    "matmul": Operator(batch="matmul", field="matmul", slide=_NO_SLIDING, macs="none", export="matmul"),
    # movement
    "concat": Operator(batch="concat", field="aligned", slide="per_channel", macs="none", export=Direct("Concat", "axis")),
    "expand": Operator(batch="expand", field="aligned", slide=_NO_SLIDING, macs="none", export="expand", batch_attribute="shape"),
    "resample": Operator(batch="alike", field="resample", slide=_NO_SLIDING, macs="none", export="resample"),
    "reshape": Operator(batch="reshape", field="reshape", slide="reshape", macs="none", export="reshape", batch_attribute="shape"),
    "slice": Operator(batch="alike", field="aligned", slide="per_channel", macs="none", export="slice", batch_attribute="stop"),
    "take": Operator(batch="take", field="take", slide="take", macs="none", export="take"),
    "transpose": Operator(batch="transpose", field="transpose", slide=_NO_SLIDING, macs="none", export="transpose"),
    # losses
    "cross_entropy": Operator(batch="none", field="aligned", slide=_NO_SLIDING, macs="none", export=_NO_FORM),
    "mse": Operator(batch="none", field="aligned", slide=_NO_SLIDING, macs="none", export=_NO_FORM),
}

# The other ops, by what appends them. No trace contains them, so no table needs a rule.
INTERNAL: dict[str, tuple[str, ...]] = {
    "gradient()": (
        "activation_backward",
        "avg_pool_backward",
        "batch_norm_backward",
        "batch_norm_training_backward",
        "binary_slope",
        "channel_sum",
        "column_sum",
        "conv2d_backward_data",
        "conv2d_backward_weight",
        "cross_entropy_backward",
        "dropout_backward",
        "linear_backward_data",
        "linear_backward_weight",
        "local_response_norm_backward",
        "log_softmax_backward",
        "max_pool_backward",
        "max_pool_places",
        "mse_backward",
        "normalize_backward",
        "prelu_backward",
        "reduce_backward",
        "reduce_to",
        "resample_backward",
        "slice_backward",
        "softmax_backward",
        "take_backward",
    ),
    "passes": (
        "conv2d_prepare",
        "copy",
        "fold_batch_norm",
        "pointwise_depthwise",
        "reorder",
        "slope_mask",
        "slope_mask_backward",
        "upsampled_conv2d",
        "upsampled_conv2d_prepare",
    ),
    "the update of weights": ("clip_scale", "update_weights"),
}
