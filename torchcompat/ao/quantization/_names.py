"""Quantization: places marked in a model stay as they are; there are no quantized kernels to put there."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from torchcompat._absent import fill
from torchcompat.nn.modules.module import Module

_WHY = "there are no quantized kernels"


class QuantStub(Module):
    """Marks where values would become quantized; hands them on.

    Args:
        qconfig: kept.
    """

    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Any) -> Any:
        """Returns `x`."""
        return x


class DeQuantStub(QuantStub):
    """Marks where values would become floats again; hands them on."""


class QuantWrapper(Module):
    """A module between a `QuantStub` and a `DeQuantStub`."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        qconfig = getattr(module, "qconfig", None)
        self.add_module("quant", QuantStub(qconfig))
        self.add_module("dequant", DeQuantStub(qconfig))
        self.add_module("module", module)
        self.train(module.training)

    def forward(self, x: Any) -> Any:
        """The module's output."""
        return self.dequant(self.module(self.quant(x)))


class QConfig(namedtuple("QConfig", ["activation", "weight"])):
    """What observes activations and weights: two classes or factories.

    Raises:
        ValueError: one is a module instead.
    """

    __slots__ = ()

    def __new__(cls, activation: Any, weight: Any) -> QConfig:
        if isinstance(activation, Module) or isinstance(weight, Module):
            raise ValueError(
                "QConfig received observer instance, please pass observer class instead. "
                "Use MyObserver.with_args(x=1) to override arguments to constructor if needed"
            )
        return super().__new__(cls, activation, weight)


QConfigAny = QConfig | None
CLASSES = """FakeQuantize FakeQuantizeBase FixedQParamsFakeQuantize FixedQParamsObserver
FusedMovingAvgObsFakeQuantize HistogramObserver MinMaxObserver MovingAverageMinMaxObserver
MovingAveragePerChannelMinMaxObserver NoopObserver ObserverBase PerChannelMinMaxObserver
PlaceholderObserver QConfigDynamic QConfigMapping QuantType RecordingObserver ReuseInputObserver
UniformQuantizationObserverBase default_debug_observer default_dynamic_qat_qconfig default_dynamic_qconfig
default_embedding_qat_qconfig default_per_channel_qconfig default_qconfig
default_symmetric_qnnpack_qat_qconfig float_qparams_weight_only_qconfig
default_dynamic_quant_observer default_fake_quant
default_histogram_observer default_observer default_per_channel_weight_observer
default_placeholder_observer default_weight_observer default_weight_fake_quant
default_per_channel_weight_fake_quant default_fused_act_fake_quant default_fused_wt_fake_quant"""
FUNCTIONS = """add_quant_dequant convert default_eval_fn disable_fake_quant disable_observer
enable_fake_quant enable_observer fuse_conv_bn fuse_conv_bn_relu fuse_linear_bn fuse_modules
fuse_modules_qat get_default_qat_qconfig get_default_qat_qconfig_mapping get_default_qconfig
get_default_qconfig_mapping prepare prepare_qat propagate_qconfig_ quantize quantize_dynamic
quantize_dynamic_jit quantize_jit quantize_qat
swap_module get_default_static_quant_module_mappings get_default_dynamic_quant_module_mappings
get_default_qat_module_mappings get_default_qconfig_propagation_list"""
fill(globals(), _WHY, classes=CLASSES, functions=FUNCTIONS)
__all__ = [
    "DeQuantStub",
    "QConfig",
    "QConfigAny",
    "QuantStub",
    "QuantWrapper",
    *CLASSES.split(),
    *FUNCTIONS.split(),
]
