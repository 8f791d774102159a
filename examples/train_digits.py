"""Trains a small convolutional network on drawn digits, as torch's tutorials write it.

    python examples/train_digits.py [--library torch] [--compile] [--epochs N] [--plot losses.png]

The same program runs under both imports: `--library torchcompat` (the default) or `--library torch`.
The images (28x28, ten classes) are drawn here: nothing is downloaded. The progress bar needs tqdm (the
extra `demo`), the plot matplotlib (the extra `plot`).
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from typing import Any

import numpy as np

# Seven-segment digits: which of top, upper left, upper right, middle, lower left, lower right, bottom.
SEGMENTS = ["1110111", "0010010", "1011101", "1011011", "0111010"]
SEGMENTS += ["1101011", "1101111", "1010010", "1111111", "1111011"]
BARS = [
    ((0, 2), (0, 12)),
    ((0, 11), (0, 2)),
    ((0, 11), (10, 12)),
    ((9, 11), (0, 12)),
    ((9, 20), (0, 2)),
    ((9, 20), (10, 12)),
    ((18, 20), (0, 12)),
]


def draw_digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images (count, 1, 28, 28) of digits at random places and their labels."""
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, 10, count)
    images = np.zeros((count, 1, 28, 28), np.float32)
    for image, label in zip(images, labels):
        top, left = rng.randint(1, 7), rng.randint(2, 14)
        for on, ((y0, y1), (x0, x1)) in zip(SEGMENTS[label], BARS):
            if on == "1":
                image[0, top + y0 : top + y1, left + x0 : left + x1] = rng.uniform(0.6, 1.0)
    images += rng.normal(0, 0.2, images.shape).astype(np.float32)
    return images, labels


def build_model(torch: Any) -> Any:
    """Two convolutions with BatchNorm, dropout and two linear layers."""
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
            self.norm1 = nn.BatchNorm2d(8)
            self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
            self.norm2 = nn.BatchNorm2d(16)
            self.pool = nn.MaxPool2d(2)
            self.dropout = nn.Dropout(0.25)
            self.fc1 = nn.Linear(16 * 7 * 7, 64)
            self.fc2 = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            x = self.pool(nn.functional.relu(self.norm1(self.conv1(x))))
            x = self.pool(nn.functional.relu(self.norm2(self.conv2(x))))
            x = self.dropout(torch.flatten(x, 1))
            return self.fc2(nn.functional.relu(self.fc1(x)))

    return Net()


def make_loader(torch: Any, count: int, batch_size: int, seed: int, shuffle: bool) -> Any:
    """A DataLoader over drawn digits."""
    images, labels = draw_digits(count, seed)
    dataset = torch.utils.data.TensorDataset(torch.tensor(images), torch.tensor(labels))
    return torch.utils.data.DataLoader(
        dataset, batch_size=batch_size, shuffle=shuffle, drop_last=shuffle
    )


def progress(loader: Any, title: str, quiet: bool) -> Any:
    """The loader under a progress bar, where tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return loader
    return tqdm(loader, title, disable=quiet, leave=False)


def train(torch: Any, options: argparse.Namespace) -> tuple[list[float], float]:
    """Trains and tests; returns all losses and the accuracy in the end."""
    torch.manual_seed(0)
    model = build_model(torch)
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    loader = make_loader(torch, options.images, options.batch_size, 0, shuffle=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=3e-3, total_steps=options.epochs * len(loader)
    )

    def step(images: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    if options.compile:
        step = torch.compile(step)
    losses: list[float] = []
    for epoch in range(options.epochs):
        model.train()
        bar = progress(loader, f"epoch {epoch + 1}", options.quiet)
        for images, labels in bar:
            losses.append(step(images, labels).item())
            scheduler.step()
            if hasattr(bar, "set_postfix"):
                bar.set_postfix(loss=f"{losses[-1]:.3f}")
        print(f"epoch {epoch + 1}: loss {np.mean(losses[-len(loader) :]):.4f}")
    return losses, evaluate(torch, model, options)


def evaluate(torch: Any, model: Any, options: argparse.Namespace) -> float:
    """The share of new images that are recognised."""
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for images, labels in make_loader(torch, 500, 100, 1, shuffle=False):
            correct += (model(images).argmax(1) == labels).sum().item()
            total += len(labels)
    print(f"accuracy: {correct / total:.3f} of {total} new images")
    return correct / total


def plot(losses: list[float], path: str) -> None:
    """Writes a picture of the losses."""
    try:
        import matplotlib
    except ImportError:
        sys.exit("error: --plot needs matplotlib: pip install 'torchcompat[plot]'")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.plot(losses)
    pyplot.xlabel("step")
    pyplot.ylabel("loss")
    pyplot.savefig(path)
    print(f"plot: {path}")


def main(arguments: list[str] | None = None) -> tuple[list[float], float]:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--library", choices=["torchcompat", "torch"], default="torchcompat")
    parser.add_argument("--compile", action="store_true", help="run each step as one program")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=4096, help="number of training images")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--plot", metavar="FILE", help="write a picture of the losses")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    torch = importlib.import_module(options.library)
    began = time.perf_counter()
    losses, accuracy = train(torch, options)
    print(f"time: {time.perf_counter() - began:.1f} s with {options.library}")
    if options.plot:
        plot(losses, options.plot)
    return losses, accuracy


if __name__ == "__main__":
    main()
