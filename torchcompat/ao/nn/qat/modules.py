"""The layers of `torch.ao.nn.qat`: none are built."""

__all__: list[str] = []
