"""`torch.distributions.relaxed_categorical`."""

from torchcompat.distributions._relaxed import ExpRelaxedCategorical, RelaxedOneHotCategorical

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]
