"""torch.nn.utils."""

from torchcompat.nn.utils import rnn as rnn
