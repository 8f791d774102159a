"""Optimizers, learning-rate schedules and averaged models."""

from torchcompat.optim._adafactor import Adafactor as Adafactor
from torchcompat.optim._muon import Muon as Muon
from torchcompat.optim.adadelta import Adadelta as Adadelta
from torchcompat.optim.adagrad import Adagrad as Adagrad
from torchcompat.optim.adam import Adam as Adam
from torchcompat.optim.adamax import Adamax as Adamax
from torchcompat.optim.adamw import AdamW as AdamW
from torchcompat.optim.asgd import ASGD as ASGD
from torchcompat.optim.lbfgs import LBFGS as LBFGS
from torchcompat.optim.nadam import NAdam as NAdam
from torchcompat.optim.optimizer import Optimizer as Optimizer
from torchcompat.optim.radam import RAdam as RAdam
from torchcompat.optim.rmsprop import RMSprop as RMSprop
from torchcompat.optim.rprop import Rprop as Rprop
from torchcompat.optim.sgd import SGD as SGD
from torchcompat.optim.sparse_adam import SparseAdam as SparseAdam
