"""Every message of the Python side: `[where] rule. Got value.`, and nothing half done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from small_nets import Lambda, lenet

import fastcnn as fc
from fastcnn.nn import functional as F

X = np.zeros((2, 6, 5, 4), np.float32)
IMAGES, CLASSES = np.zeros((4, 1, 8, 8), np.float32), np.zeros(4, int)


def traced(function: Callable[[fc.Value], Any]) -> Callable[[], Any]:
    return lambda: Lambda(function)(X)


def fitted(**options: Any) -> Callable[[], Any]:
    x, y = options.pop("x", IMAGES), options.pop("y", CLASSES)
    return lambda: lenet().fit(x, y, **{"optimizer": "sgd", **options})


LAYERS = [
    (lambda: fc.Conv2d(64, 64, 3, groups=3), ValueError, "[Conv2d] groups must divide in_channels. Got groups=3, in_channels=64."),
    (lambda: fc.Conv2d(6, 4, 3, groups=3), ValueError, "[Conv2d] groups must divide out_channels. Got groups=3, out_channels=4."),
    (lambda: fc.Conv2d(0, 4, 3), ValueError, "[Conv2d] in_channels must be at least 1. Got in_channels=0."),
    (lambda: fc.Conv2d(1, 2**31, 3), ValueError, "[Conv2d] out_channels must be below 2^31. Got out_channels=2147483648."),
    (lambda: fc.Conv2d(1.5, 4, 3), TypeError, "[Conv2d] in_channels must be an integer. Got in_channels=1.5."),
    (lambda: fc.Conv2d(True, 4, 3), TypeError, "[Conv2d] in_channels must be an integer. Got in_channels=True."),
    (lambda: fc.Conv2d(1, 4, (3, 3, 3)), ValueError, "[Conv2d] kernel_size must be one integer or two. Got kernel_size=(3, 3, 3)."),
    (lambda: fc.Conv2d(1, 4, 3, stride=0), ValueError, "[Conv2d] stride must be at least 1. Got stride=0."),
    (lambda: fc.Conv2d(1, 4, 3, padding=-1), ValueError, "[Conv2d] padding must be at least 0. Got padding=-1."),
    (lambda: fc.Conv2d(1, 4, 3, padding="full"), ValueError, "[Conv2d] padding must be numbers, 'same' or 'valid'. Got padding='full'."),
    (lambda: fc.Conv2d(1, 4, 3, 2, "same"), ValueError, "[Conv2d] padding='same' needs stride 1. Got stride=(2, 2)."),
    (
        lambda: fc.Conv2d(1, 4, 3, padding_mode="mirror"),
        ValueError,
        "[Conv2d] padding_mode must be 'zeros', 'reflect', 'replicate' or 'circular'. Got padding_mode='mirror'.",
    ),
    (lambda: fc.Conv2d(1, 4, 3, bias=1), TypeError, "[Conv2d] bias must be True or False. Got bias=1."),
    (lambda: fc.Conv2d(1, 4, 3, seed=-1), ValueError, "[Conv2d] seed must be at least 0. Got seed=-1."),
    (lambda: fc.Linear(2, "3"), TypeError, "[Linear] out_features must be an integer. Got out_features='3'."),
    (
        lambda: fc.MaxPool2d(3, padding=2),
        ValueError,
        "[MaxPool2d] padding must be at most half of the kernel. Got padding=2, kernel_size=3.",
    ),
    (
        lambda: fc.MaxPool2d(2, return_indices=True),
        NotImplementedError,
        "[MaxPool2d] return_indices must be False. Got return_indices=True.",
    ),
    (
        lambda: fc.AvgPool2d(2, divisor_override=0),
        ValueError,
        "[AvgPool2d] divisor_override must be at least 1. Got divisor_override=0.",
    ),
    (
        lambda: fc.AdaptiveAvgPool2d((1, 2, 3)),
        ValueError,
        "[AdaptiveAvgPool2d] output_size must be one entry or two. Got output_size=(1, 2, 3).",
    ),
    (lambda: fc.BatchNorm2d(4, eps=float("nan")), ValueError, "[BatchNorm2d] eps must be finite. Got eps=nan."),
    (lambda: fc.BatchNorm2d(4, momentum=1.5), ValueError, "[BatchNorm2d] momentum must be between 0 and 1. Got momentum=1.5."),
    (lambda: fc.BatchNorm2d(4, momentum="a"), TypeError, "[BatchNorm2d] momentum must be a number. Got momentum='a'."),
    (
        lambda: fc.InstanceNorm2d(4, track_running_stats=True),
        NotImplementedError,
        "[InstanceNorm2d] track_running_stats must be False. Got track_running_stats=True.",
    ),
    (lambda: fc.GroupNorm(4, 6), ValueError, "[GroupNorm] num_groups must divide num_channels. Got num_groups=4, num_channels=6."),
    (
        lambda: fc.ZeroPad2d((1, 2)),
        ValueError,
        "[ZeroPad2d] padding must be one integer or four: left, right, top, bottom. Got padding=(1, 2).",
    ),
    (lambda: fc.Upsample(scale_factor=0), ValueError, "[Upsample] scale_factor must be greater than 0. Got scale_factor=0."),
    (lambda: fc.LocalResponseNorm(0), ValueError, "[LocalResponseNorm] size must be at least 1. Got size=0."),
    (lambda: fc.Dropout(1.5), ValueError, "[Dropout] p must be between 0 and 1. Got p=1.5."),
    (lambda: fc.GELU("sigmoid"), ValueError, "[GELU] approximate must be 'none' or 'tanh'. Got approximate='sigmoid'."),
    (lambda: fc.Hardtanh(1, 1), ValueError, "[Hardtanh] min_val must be below max_val. Got min_val=1, max_val=1."),
    (lambda: fc.CELU(0), ValueError, "[CELU] alpha must not be zero. Got alpha=0."),
    (
        lambda: fc.ConvTranspose2d(4, 6, 3, groups=4),
        ValueError,
        "[ConvTranspose2d] groups must divide out_channels. Got groups=4, out_channels=6.",
    ),
    (
        lambda: fc.ConvTranspose2d(4, 6, 3, 2, output_padding=2),
        ValueError,
        "[ConvTranspose2d] output_padding must be smaller than stride or dilation. "
        "Got output_padding=(2, 2), stride=(2, 2), dilation=(1, 1).",
    ),
    (lambda: fc.LeakyReLU("steep"), TypeError, "[LeakyReLU] negative_slope must be a number. Got negative_slope='steep'."),
    (lambda: fc.ReLU(inplace=0), TypeError, "[ReLU] inplace must be True or False. Got inplace=0."),
    (lambda: fc.Sequential(fc.ReLU(), 3), TypeError, "[Sequential] every entry must be a Module. Got int."),
    (lambda: fc.Sequential(fc.ReLU(), {}), TypeError, "[Sequential] every entry must be a Module. Got dict."),
    (
        lambda: fc.Sequential({"a.b": fc.ReLU()}),
        ValueError,
        "[Sequential] a name must be new, without dots and without an underscore in front. Got 'a.b'.",
    ),
    (
        lambda: fc.Sequential({"forward": fc.ReLU()}),
        ValueError,
        "[Sequential] a name must be new, without dots and without an underscore in front. Got 'forward'.",
    ),
    (
        lambda: fc.Sequential({"_plans": fc.ReLU()}),
        ValueError,
        "[Sequential] a name must be new, without dots and without an underscore in front. Got '_plans'.",
    ),
    (lambda: fc.Sequential(fc.ReLU())[1], IndexError, "[Sequential] the index must be one of 1. Got 1."),
    (lambda: fc.ModuleList([None]), TypeError, "[ModuleList] every entry must be a Module. Got NoneType."),
]

FUNCTIONS = [
    (lambda: fc.relu(X), TypeError, "[activation] the input must be a symbolic value, as forward() gets it. Got ndarray."),
    (lambda: fc.softmax(X, 1), TypeError, "[softmax] the input must be a symbolic value, as forward() gets it. Got ndarray."),
    (lambda: fc.concat(X), TypeError, "[concat] values must be a list or tuple of at least one. Got ndarray."),
    (traced(lambda x: F.prelu(x, 0.1)), TypeError, "[prelu] an operand must be a symbolic value or a parameter. Got float."),
    (traced(lambda x: F.max_pool2d(x, 0)), ValueError, "[max_pool2d] kernel_size must be at least 1. Got kernel_size=0."),
    (traced(lambda x: F.elu(x, np.inf)), ValueError, "[elu] alpha must be finite. Got alpha=inf."),
    (traced(lambda x: F.softmax(x, 4)), ValueError, "[softmax] the axis must be one of the value's 4. Got axis=4."),
    (
        traced(lambda x: F.adaptive_avg_pool2d(x.flatten(1), 1)),
        ValueError,
        "[adaptive_avg_pool2d] the input must be (N, C, H, W). Got (2, 120).",
    ),
    (traced(lambda x: x.reshape(7, -1)), ValueError, "[reshape] the shape must hold as many elements as (2, 6, 5, 4). Got (7, -1)."),
    (traced(lambda x: x.reshape(-1, -1)), ValueError, "[reshape] the shape must hold as many elements as (2, 6, 5, 4). Got (-1, -1)."),
    (traced(lambda x: x.flatten(2, 1)), ValueError, "[flatten] start_dim must not come after end_dim. Got start_dim=2, end_dim=1."),
    (traced(lambda x: x.permute(0, 1, 2)), ValueError, "[permute] dims must name each of the 4 axes once. Got (0, 1, 2)."),
    (
        traced(lambda x: x.T),
        ValueError,
        "[T] it is for values of at most 2 axes; others say which: x.transpose(dim0, dim1). Got (2, 6, 5, 4).",
    ),
    (
        traced(lambda x: x.expand(3, -1)),
        ValueError,
        "[expand] the sizes must be those of (2, 6, 5, 4), with new ones in front. Got (3, -1).",
    ),
    (traced(lambda x: x.mean((1, 1))), ValueError, "[mean] an axis must come once. Got (1, 1)."),
    (traced(lambda x: x.sum(4)), ValueError, "[reduce] the axis must be one of the value's 4. Got axis=4."),
    (traced(lambda x: x.argmax(keepdim=True)), NotImplementedError, "[argmax] keepdim=True needs a dim. Got dim=None."),
    (traced(lambda x: F.stack([x, x[:1]])), ValueError, "[stack] the shapes must be equal. Got (2, 6, 5, 4) and (1, 6, 5, 4)."),
    (traced(lambda x: F.pad(x, (1,))), ValueError, "[pad] pad must have two entries for each axis, at most 8. Got (1,)."),
    (
        traced(lambda x: F.pad(x, (1, 1), "mirror")),
        ValueError,
        "[pad] mode must be one of constant, reflect, replicate, circular. Got mode='mirror'.",
    ),
    (traced(lambda x: F.pad(x, (4, 0), "reflect")), ValueError, "[pad] mode='reflect' must add at most 3 to an axis of 4. Got (4, 0)."),
    (traced(lambda x: F.pad(x, (0, -5))), ValueError, "[pad] a padded axis must have 0 to 2^24 entries. Got 4 and padding (0, -5)."),
    (
        traced(lambda x: F.pad(x, (2**30, 0))),
        ValueError,
        "[pad] a padded axis must have 0 to 2^24 entries. Got 4 and padding (1073741824, 0).",
    ),
    (
        traced(lambda x: F.interpolate(x)),
        ValueError,
        "[interpolate] either size or scale_factor must be given. Got size=None, scale_factor=None.",
    ),
    (
        traced(lambda x: F.interpolate(x, 3, mode="linear")),
        ValueError,
        "[interpolate] mode='linear' is for values of 3 axes. Got (2, 6, 5, 4).",
    ),
    (
        traced(lambda x: F.interpolate(x, 3, align_corners=True)),
        ValueError,
        "[interpolate] align_corners belongs to linear, bilinear and bicubic. Got mode='nearest'.",
    ),
    (
        traced(lambda x: F.interpolate(x, scale_factor=0.1)),
        ValueError,
        "[interpolate] the result must have pixels. Got scale_factor=0.1 for (2, 6, 5, 4).",
    ),
    (
        traced(lambda x: F.interpolate(x, 2**30)),
        ValueError,
        "[interpolate] an axis that is resized must have at most 2^24 entries. Got 5, to become 1073741824.",
    ),
    (
        traced(lambda x: F.pixel_shuffle(x, 2)),
        ValueError,
        "[pixel_shuffle] the channels must be a multiple of upscale_factor^2. Got (2, 6, 5, 4), upscale_factor=2.",
    ),
    (
        traced(lambda x: F.channel_shuffle(x, 4)),
        ValueError,
        "[channel_shuffle] groups must divide the channels. Got (2, 6, 5, 4), groups=4.",
    ),
    (
        traced(lambda x: F.layer_norm(x, (5,))),
        ValueError,
        "[layer_norm] normalized_shape must be the end of the input's. Got input (2, 6, 5, 4), normalized_shape (5,).",
    ),
    (
        traced(lambda x: F.group_norm(x, 4)),
        ValueError,
        "[group_norm] num_groups must divide the channels of (N, C, ...). Got (2, 6, 5, 4), num_groups=4.",
    ),
    (
        traced(lambda x: F.group_norm(x, 3, fc.Parameter(np.ones(5)))),
        ValueError,
        "[normalize] weight and bias must be (C,). Got (5,) for (2, 6, 5, 4).",
    ),
    (traced(lambda x: x @ X[0, 0]), ValueError, "[matmul] the columns of a must be as many as the rows of b. Got (2, 6, 5, 4) and (5, 4)."),
    (traced(lambda x: x[2]), IndexError, "[slice] an index must be inside its axis. Got index=2, axis of 2."),
    (traced(lambda x: x[0, 0, 0, 0, 0]), IndexError, "[slice] there must be at most one index for each of the 4 axes. Got 5."),
    (traced(lambda x: x[None]), TypeError, "[slice] an index must be an integer, a slice or an ellipsis. Got NoneType."),
    (traced(lambda x: x.split([1, 2], 1)), ValueError, "[split] the sizes must add up to the axis. Got split_size=[1, 2], axis of 6."),
    (
        traced(lambda x: fc.minimum(1, 2)),
        TypeError,
        "[minimum] an operand must be a symbolic value, as forward() gets it. Got int and int.",
    ),
    (traced(lambda x: fc.clamp(x)), ValueError, "[clamp] min or max must be given. Got None for both."),
    (traced(lambda x: fc.hardtanh(x, 2, 1)), ValueError, "[hardtanh] min_val must be at most max_val. Got min_val=2, max_val=1."),
    (traced(lambda x: fc.softplus(x, threshold=1)), ValueError, "[softplus] threshold must be at least 15. Got threshold=1."),
    (traced(lambda x: x / 0), ZeroDivisionError, "[divide] the divisor must not be zero. Got 0."),
    (traced(lambda x: x + "1"), TypeError, "[add] an operand must hold floating point numbers or integers. Got <U1."),
    (traced(lambda x: x * np.ones(3, bool)), TypeError, "[multiply] an operand must hold floating point numbers or integers. Got bool."),
    (traced(lambda x: x.median()), AttributeError, "[Value] a symbolic value has no attribute or method of this name. Got .median."),
    (traced(lambda x: None), TypeError, "[forward] it must return a symbolic value or a tuple of them. Got NoneType."),
]

RUNS = [
    (
        lambda: lenet()(IMAGES, IMAGES),
        TypeError,
        "[Sequential] a network takes as many arrays as its forward(). Got 2: too many positional arguments.",
    ),
    (lambda: lenet()(x=IMAGES), TypeError, "[Sequential] a network takes arrays, without keywords. Got x."),
    (lambda: lenet()(IMAGES > 0), TypeError, "[run] input 'x' must be floating point or integer. Got bool."),
    (lambda: lenet()(IMAGES.astype(complex)), TypeError, "[run] input 'x' must be floating point or integer. Got complex128."),
    (
        lambda: lenet().compile((1, 1, 8, 8))(IMAGES),
        ValueError,
        "[run] input 'x' must have the shape (1, 1, 8, 8). Got (4, 1, 8, 8).",
    ),
    (
        lambda: lenet().compile((4, 1, 8, 8))(IMAGES, out=np.empty((4, 4))),
        TypeError,
        "[run] out must be a writable C-contiguous float32 array. Got float64.",
    ),
    (lambda: lenet().compile("1x1x8x8"), TypeError, "[compile] a shape must be a tuple of integers. Got '1x1x8x8'."),
    (lambda: lenet().compile((1, 1, 8, -8)), ValueError, "[compile] shape must be at least 0. Got shape=-8."),
    (lambda: lenet().compile((1, 1, 8, 8), threads=0), ValueError, "[compile] threads must be at least 1. Got threads=0."),
    (lambda: lenet().compile((1, 1, 8, 8), memory="tiny"), ValueError, "[compile] memory must be 'fast' or 'small'. Got memory='tiny'."),
    (lambda: lenet().compile((1, 1, 8, 8), accuracy="no"), ValueError, "[compile] accuracy must be 'fast' or 'strict'. Got accuracy='no'."),
    (lambda: lenet().predict(IMAGES, batch_size=0), ValueError, "[predict] batch_size must be at least 1. Got batch_size=0."),
    (lambda: lenet().predict(1.0), ValueError, "[predict] x must have a batch axis. Got shape ()."),
    (lambda: fc.set_num_threads(0), ValueError, "[set_num_threads] threads must be at least 1. Got threads=0."),
    (lambda: fc.set_num_threads(2.0), TypeError, "[set_num_threads] threads must be an integer. Got threads=2.0."),
    (lambda: lenet().memory((1, 1, 8, 8), training=1), TypeError, "[memory] training must be True or False. Got training=1."),
    (
        lambda: lenet().memory((1, 1, 8, 8), training=True, memory="small"),
        NotImplementedError,
        "[memory] a training step has no small memory yet. Got memory='small' with training=True.",
    ),
]

TRAINING = [
    (fitted(epochs=-1), ValueError, "[fit] epochs must be at least 0. Got epochs=-1."),
    (fitted(batch_size=0), ValueError, "[fit] batch_size must be at least 1. Got batch_size=0."),
    (fitted(seed=1.5), TypeError, "[fit] seed must be an integer. Got seed=1.5."),
    (fitted(clip_norm=0), ValueError, "[fit] clip_norm must be greater than 0. Got clip_norm=0."),
    (fitted(clip_norm=float("nan")), ValueError, "[fit] clip_norm must be finite. Got clip_norm=nan."),
    (fitted(resume=True), ValueError, "[fit] resume needs the path of a checkpoint. Got checkpoint=None."),
    (fitted(progress="yes"), TypeError, "[fit] progress must be True or False. Got progress='yes'."),
    (
        fitted(y=CLASSES[:3]),
        ValueError,
        "[fit] x and y must hold one sample at least, and as many of each. Got x (4, 1, 8, 8), y (3,).",
    ),
    (
        fitted(x=IMAGES[:0], y=CLASSES[:0]),
        ValueError,
        "[fit] x and y must hold one sample at least, and as many of each. Got x (0, 1, 8, 8), y (0,).",
    ),
    (fitted(y=CLASSES.astype(float)), TypeError, "[cross_entropy] targets must be integers, one class each. Got float64."),
    (fitted(y=np.array([0, 1, 2, 4])), ValueError, "[cross_entropy] targets must be between 0 and 3. Got 4."),
    (fitted(y=np.array([0, -1, 2, 4])), ValueError, "[cross_entropy] targets must be between 0 and 3. Got -1."),
    (fitted(y=CLASSES[:, None]), ValueError, "[cross_entropy] targets must have the shape (4,). Got (4, 1)."),
    (fitted(y=CLASSES, loss="mse"), ValueError, "[mse] targets must have the shape (4, 4). Got (4,)."),
    (fitted(y=np.zeros((4, 4), bool), loss="mse"), TypeError, "[mse] targets must hold floating point numbers or integers. Got bool."),
    (fitted(loss="hinge"), ValueError, "[loss] a loss's name must be one of cross_entropy, mse. Got 'hinge'."),
    (fitted(loss=None), TypeError, "[loss] a loss must be one of fastcnn.loss, or its name. Got NoneType."),
    (fitted(x=IMAGES > 0), TypeError, "[run] input 'x' must be floating point or integer. Got bool."),
    (
        fitted(validation_data=(IMAGES, CLASSES[:2])),
        ValueError,
        "[fit] x and y must hold one sample at least, and as many of each. Got x (4, 1, 8, 8), y (2,).",
    ),
    (fitted(validation_data=(IMAGES, CLASSES + 5)), ValueError, "[cross_entropy] targets must be between 0 and 3. Got 5."),
    (
        lambda: fc.ReLU().fit(IMAGES, CLASSES, optimizer="sgd"),
        ValueError,
        "[Trainer] the network must have parameters to train. Got ReLU without any.",
    ),
    (
        lambda: fc.Conv2d(1, 2, 8, bias=False).fit(np.zeros((4, 1, 9, 8)), CLASSES, optimizer="sgd"),
        ValueError,
        "[cross_entropy] targets must have the shape (4, 2, 1). Got (4,).",
    ),
    (
        lambda: Lambda(lambda x, w: (x * w, x), w=fc.Parameter(np.ones(1))).fit(IMAGES, CLASSES, optimizer="sgd"),
        ValueError,
        "[cross_entropy] a network that is trained must return one value. Got 2.",
    ),
    (
        lambda: fc.Sequential(fc.Linear(8, 8)).fit(IMAGES[:, 0], CLASSES, optimizer="sgd"),
        ValueError,
        "[cross_entropy] the network's output must be (N, K) or (N, K, H, W). Got (4, 8, 8).",
    ),
    (
        lambda: fc.Trainer(lenet(), "cross_entropy", "sgd", IMAGES.shape).step(IMAGES, CLASSES[:3]),
        ValueError,
        "[Trainer] there must be a target for each sample. Got 4 samples, 3 targets.",
    ),
    (lambda: lenet().evaluate(IMAGES, CLASSES, batch_size=0), ValueError, "[evaluate] batch_size must be at least 1. Got batch_size=0."),
    (
        lambda: fc.loss.CrossEntropyLoss(label_smoothing=2.0),
        ValueError,
        "[cross_entropy] label_smoothing must be between 0 and 1. Got label_smoothing=2.",
    ),
]

ALL = [*LAYERS, *FUNCTIONS, *RUNS, *TRAINING]


@pytest.mark.parametrize(("call", "kind", "message"), ALL, ids=[message for *_, message in ALL])
def test_message(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as info:
        call()
    assert type(info.value) is kind
    assert str(info.value).removesuffix(" In layer '2'.") == message


def test_every_message_has_a_place_a_rule_and_a_value() -> None:
    assert all(message.startswith("[") and "] " in message and ". Got " in message and message.endswith(".") for *_, message in ALL)
    assert len({message for *_, message in ALL}) > 0.9 * len(ALL)


def test_an_error_leaves_the_network_usable() -> None:
    net = lenet()
    y = net(IMAGES)
    for call in (lambda: net(np.zeros((1, 2, 8, 8))), lambda: net.fit(IMAGES, CLASSES + 9, optimizer="sgd")):
        with pytest.raises(ValueError, match="Got"):
            call()
    assert np.array_equal(net(IMAGES), y)
    assert not net.training
