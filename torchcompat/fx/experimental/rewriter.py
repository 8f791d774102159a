"""`torch.fx.experimental.rewriter`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "`assert` statements are not rewritten to be traced; use torch._assert",
    classes="AST_Rewriter RewritingTracer",
)
