"""The layers of `torch.ao.nn.quantizable`: none are built."""

__all__: list[str] = []
