"""A line search for the strong Wolfe conditions, by cubic interpolation.

Source: Nocedal and Wright, "Numerical optimization", algorithms 3.5 and 3.6; the safeguards are those of
Schmidt's minFunc.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torchcompat._tensor import Tensor


class Point(NamedTuple):
    """A point on the line: its place, the objective, the gradient and the slope along the line."""

    t: Any
    f: float
    g: Tensor
    slope: Any


def minimum_of_cubic(a: Point, b: Point, bounds: tuple | None = None) -> Any:
    """Where the cubic through two points with these slopes is least, kept within `bounds`."""
    if bounds is not None:
        low, high = bounds
    else:
        low, high = (a.t, b.t) if a.t <= b.t else (b.t, a.t)
    first = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = first**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    second = square.sqrt() if isinstance(square, Tensor) else square**0.5
    if a.t <= b.t:
        near, far = b, a
    else:
        near, far = a, b
    share = (near.slope + second - first) / (near.slope - far.slope + 2 * second)
    return min(max(near.t - (near.t - far.t) * share, low), high)


class Search:
    """One search.

    Args:
        evaluate: gives the objective and the flat gradient at a place on the line.
        direction: the line's direction.
        start: the point at 0.
        tolerance: brackets that change parameters by less than this are not divided further.
        most: rounds before the search settles for what it has.
    """

    decrease, curvature = 1e-4, 0.9

    def __init__(
        self, evaluate: Callable, direction: Tensor, start: Point, tolerance: float, most: int
    ) -> None:
        self.evaluate, self.direction, self.start = evaluate, direction, start
        self.tolerance, self.most = tolerance, most
        self.reach = direction.abs().max()
        self.evaluations = 0
        self.rounds = 0

    def at(self, t: Any) -> Point:
        """The point at `t`."""
        f, g = self.evaluate(t)
        self.evaluations += 1
        return Point(t, f, g, g.dot(self.direction))

    def too_high(self, p: Point) -> bool:
        """Whether the objective has not fallen enough at `p`."""
        return bool(p.f > self.start.f + self.decrease * p.t * self.start.slope)

    def flat_enough(self, p: Point) -> bool:
        """Whether the slope at `p` fulfils the curvature condition."""
        return bool(abs(p.slope) <= -self.curvature * self.start.slope)

    def run(self, t: Any) -> Point:
        """The point found, beginning with a step of `t`."""
        bracket, done = self._bracket(t)
        return bracket[0] if done else self._zoom(bracket)

    def _bracket(self, t: Any) -> tuple[list[Point], bool]:
        """Two points with a good one between them, or one that is good itself."""
        before, now = self.start, self.at(t)
        while self.rounds < self.most:
            if self.too_high(now) or (self.rounds > 1 and now.f >= before.f):
                return [before, now], False
            if self.flat_enough(now):
                return [now], True
            if now.slope >= 0:
                return [before, now], False
            bounds = now.t + 0.01 * (now.t - before.t), now.t * 10
            t = minimum_of_cubic(before, now, bounds)
            before, now = now, self.at(t)
            self.rounds += 1
        return [self.start, now], False

    def _zoom(self, bracket: list[Point]) -> Point:
        """Narrows the bracket; returns its lower end."""
        low, high = (0, 1) if bracket[0].f <= bracket[1].f else (1, 0)
        stalled = False
        while self.rounds < self.most:
            if abs(bracket[1].t - bracket[0].t) * self.reach < self.tolerance:
                break
            t, stalled = self._inside(bracket, stalled)
            now = self.at(t)
            self.rounds += 1
            if self.too_high(now) or now.f >= bracket[low].f:
                bracket[high] = now
                low, high = (0, 1) if bracket[0].f <= bracket[1].f else (1, 0)
                continue
            if self.flat_enough(now):
                return now
            if now.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = now
        return bracket[low]

    def _inside(self, bracket: list[Point], stalled: bool) -> tuple[Any, bool]:
        """The next place to try, moved off the ends where progress stalls."""
        t = minimum_of_cubic(*bracket)
        top, bottom = max(p.t for p in bracket), min(p.t for p in bracket)
        margin = 0.1 * (top - bottom)
        if not min(top - t, t - bottom) < margin:
            return t, False
        if not (stalled or t >= top or t <= bottom):
            return t, True
        return (top - margin if abs(t - top) < abs(t - bottom) else bottom + margin), False
