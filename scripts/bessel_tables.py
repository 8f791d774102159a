"""Writes `torchcompat/_ops/_bessel_tables.py`: coefficients of the special functions that JAX lacks.

Each Chebyshev table interpolates a function that is smooth on an interval, at 60 digits, and is cut
where its coefficients fall below double precision. It needs mpmath, which torchcompat does not.

    python scripts/bessel_tables.py
"""

import textwrap
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import mpmath as mp

TARGET = Path(__file__).parent.parent / "torchcompat" / "_ops" / "_bessel_tables.py"
mp.mp.dps = 60
POINTS = 80
EPSILON = mp.mpf(2) ** -56


def coefficients(f: Callable, low: float, high: float) -> list[float]:
    """Chebyshev coefficients of `f` on [low, high], as few as double precision needs."""
    angles = [mp.pi * (2 * k + 1) / (2 * POINTS) for k in range(POINTS)]
    values = [f(low + (high - low) * (mp.cos(a) + 1) / 2) for a in angles]
    found = [
        2 * mp.fsum(v * mp.cos(n * a) for v, a in zip(values, angles)) / POINTS
        for n in range(POINTS)
    ]
    found[0] /= 2
    scale = max(map(abs, found))
    last = max(n for n, c in enumerate(found) if abs(c) > scale * EPSILON)
    return [float(c) for c in found[: last + 1]]


def far(order: int, part: str) -> Callable:
    """P or Q of J = sqrt(2 / (pi x)) (P cos(chi) - Q sin(chi)), over (8 / x) ** 2; Q over 8 / x."""

    def f(z):
        z = max(z, mp.mpf(10) ** -12)
        x = 8 / mp.sqrt(z)
        chi = x - mp.pi / 4 - order * mp.pi / 2
        j, y = mp.besselj(order, x), mp.bessely(order, x)
        scale = mp.sqrt(mp.pi * x / 2)
        if part == "p":
            return scale * (j * mp.cos(chi) + y * mp.sin(chi))
        return scale * (y * mp.cos(chi) - j * mp.sin(chi)) * x / 8

    return f


def airy_far(part: str) -> Callable:
    """P or Q of Ai(-x) = (P cos(chi) + Q sin(chi)) / (sqrt(pi) x ** 0.25), over 1 / zeta ** 2."""

    def f(z):
        z = max(z, mp.mpf(10) ** -12)
        zeta = 1 / mp.sqrt(z)
        x = (3 * zeta / 2) ** (mp.mpf(2) / 3)
        chi = zeta - mp.pi / 4
        scale = mp.sqrt(mp.pi) * x ** mp.mpf(0.25)
        a, b = scale * mp.airyai(-x), scale * mp.airybi(-x)
        if part == "p":
            return a * mp.cos(chi) - b * mp.sin(chi)
        return (a * mp.sin(chi) + b * mp.cos(chi)) * zeta

    return f


def airy_decay(u):
    """Ai(x) without its exponential, over 1 / zeta."""
    zeta = 1 / max(u, mp.mpf(10) ** -12)
    x = (3 * zeta / 2) ** (mp.mpf(2) / 3)
    return mp.airyai(x) * mp.exp(zeta) * x ** mp.mpf(0.25)


def decay(order: int) -> Callable:
    """K(x) without its exponential, over 2 / x."""

    def f(u):
        x = 2 / max(u, mp.mpf(10) ** -12)
        return mp.besselk(order, x) * mp.exp(x) * mp.sqrt(x)

    return f


def growth(order: int) -> Callable:
    """I(x) without its exponential, times the root of x, over 8 / x."""

    def f(u):
        x = 8 / max(u, mp.mpf(10) ** -6)
        return mp.besseli(order, x) * mp.exp(-x) * mp.sqrt(x)

    return f


def erfcx(y):
    """exp(x ** 2) erfc(x) / y over y = 4 / (4 + x); so scaled it does not vanish far out."""
    x = 4 / max(y, mp.mpf(10) ** -12) - 4
    if x > 1000:
        terms = [(-1) ** k * mp.fac2(2 * k - 1) / (2 * x * x) ** k for k in range(12)]
        return mp.fsum(terms) * (x + 4) / (4 * x * mp.sqrt(mp.pi))
    return mp.exp(x * x) * mp.erfc(x) * (x + 4) / 4


def temme(orders: int, terms: int) -> list[tuple[float, ...]]:
    """Taylor coefficients of C[k](eta) in Temme's expansion of the incomplete gamma function.

    Source: N. M. Temme, "The asymptotic expansion of the incomplete gamma functions", 1979.
    """
    count = terms + 2 * orders + 2
    # mu(eta) with eta ** 2 / 2 = mu - log(1 + mu): from mu mu' = eta (1 + mu).
    mu = [Fraction(0), Fraction(1)]
    for n in range(2, count + 2):
        known = sum(mu[i] * mu[n + 1 - i] * (n + 1 - i) for i in range(2, n))
        mu.append((mu[n - 1] - known) / (n + 1))
    inverse = [Fraction(1)]  # of mu / eta
    for n in range(1, count):
        inverse.append(-sum(mu[i + 1] * inverse[n - i] for i in range(1, n + 1)))
    rows = [inverse[1:]]
    for _ in range(orders - 1):
        last = rows[-1]
        rows.append([(n + 2) * last[n + 2] - last[1] * rows[0][n] for n in range(len(last) - 2)])
    return [tuple(float(c) for c in row[:terms]) for row in rows]


def even(f: Callable) -> Callable:
    """A function of x as one of x ** 2, kept off the removable hole at 0."""
    return lambda z: f(mp.sqrt(max(z, mp.mpf(10) ** -40)))


def y1_rest(x):
    return (mp.bessely(1, x) - 2 / mp.pi * (mp.log(x) * mp.besselj(1, x) - 1 / x)) / x


LIMIT = mp.mpf(5.5) ** 1.5 * 2 / 3
TABLES = {
    "J0_NEAR": (even(lambda x: mp.besselj(0, x)), 0, 64),
    "J1_NEAR": (even(lambda x: mp.besselj(1, x) / x), 0, 64),
    "Y0_NEAR": (even(lambda x: mp.bessely(0, x) - 2 / mp.pi * mp.log(x) * mp.j0(x)), 0, 64),
    "Y1_NEAR": (even(y1_rest), 0, 64),
    "P0_FAR": (far(0, "p"), 0, 1),
    "Q0_FAR": (far(0, "q"), 0, 1),
    "P1_FAR": (far(1, "p"), 0, 1),
    "Q1_FAR": (far(1, "q"), 0, 1),
    "I0_NEAR": (even(lambda x: mp.besseli(0, x)), 0, 4),
    "I1_NEAR": (even(lambda x: mp.besseli(1, x) / x), 0, 4),
    "K0_NEAR": (even(lambda x: mp.besselk(0, x) + mp.log(x) * mp.besseli(0, x)), 0, 4),
    "K1_NEAR": (
        even(lambda x: (mp.besselk(1, x) - 1 / x - mp.log(x) * mp.besseli(1, x)) / x),
        0,
        4,
    ),
    "I0E_NEAR": (lambda x: mp.besseli(0, x) * mp.exp(-x), 0, 8),
    "I1E_NEAR": (lambda x: mp.besseli(1, x) * mp.exp(-x) / (x or 1) or mp.mpf(0.5), 0, 8),
    "I0E_FAR": (growth(0), 0, 1),
    "I1E_FAR": (growth(1), 0, 1),
    "ERFCX": (erfcx, 0, 1),
    "K0_FAR": (decay(0), 0, 1),
    "K1_FAR": (decay(1), 0, 1),
    "AIRY_NEGATIVE": (mp.airyai, -5.5, -2),
    "AIRY_MIDDLE": (mp.airyai, -2, 1),
    "AIRY_POSITIVE": (airy_decay, 0, 1.5),
    "AIRY_P_FAR": (airy_far("p"), 0, LIMIT**-2),
    "AIRY_Q_FAR": (airy_far("q"), 0, LIMIT**-2),
}


def packed(numbers: list[str]) -> list[str]:
    """Numbers, as many on a line as fit; the formatter would give each a line of its own."""
    return textwrap.wrap(
        ", ".join(numbers) + ",", 96, initial_indent="    ", subsequent_indent="    "
    )


def main() -> None:
    lines = ['"""Coefficients; `scripts/bessel_tables.py` writes this file."""', "", "# fmt: off"]
    for name, (f, low, high) in TABLES.items():
        lines += [f"{name} = (", *packed([repr(c) for c in coefficients(f, low, high)]), ")"]
    lines.append("TEMME = (")
    for row in temme(9, 20):
        lines += ["    (", *packed([repr(c) for c in row]), "    ),"]
    TARGET.write_text("\n".join([*lines, ")"]) + "\n")


if __name__ == "__main__":
    main()
