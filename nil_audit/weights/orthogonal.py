"""Random rotations of d channels: Haar's, and randomised Hadamard matrices, all of whose entries are ±1/√d.

Hadamard matrices of order 2 and those of Paley (1933) are built for prime fields, and multiplied (Sylvester 1867): of
the multiples of 4 up to 100 all but 52, 92 and 100 are reached, and every width of the usual language models.
"""

from functools import cache
from math import isqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Rotation = Literal["random", "hadamard"]


def rotation(kind: Rotation, order: int, seed: int) -> NDArray[np.float64] | None:
    """An orthogonal matrix Q of shape (d, d), the same for the same arguments.

    Args:
        kind: "random": uniform over all orthogonal matrices (Haar: QR of a Gaussian matrix, with the signs of R's
            diagonal taken out, Mezzadri 2007). "hadamard": D H / √d, H a Hadamard matrix, D random signs.
        order: d.
        seed: Of the random numbers.

    Returns:
        None where no Hadamard matrix of this order is known here.
    """
    generator = np.random.default_rng(seed)
    if kind == "random":
        basis, upper = np.linalg.qr(generator.standard_normal((order, order)))
        return np.asarray(basis * np.where(np.diag(upper) < 0, -1.0, 1.0))
    signs = generator.choice([-1.0, 1.0], size=order)
    entries = hadamard(order)
    return None if entries is None else signs[:, None] * entries / np.sqrt(order)


def hadamard(order: int) -> NDArray[np.int64] | None:
    """A matrix of ±1 with H Hᵀ = n I, or None where none of its order n can be built here."""
    factors = _factors(order)
    if factors is None:
        return None
    found = np.ones((1, 1), dtype=np.int64)
    for factor in factors:
        found = np.kron(found, _paley(factor) if factor > 2 else np.array([[1, 1], [1, -1]]))
    return found


@cache
def _factors(order: int) -> tuple[int, ...] | None:
    """Orders that can be built, whose product is an order; None where there are none."""
    if order == 1:
        return ()
    if order == 2 or _field(order):
        return (order,)
    for one in range(2, isqrt(order) + 1):
        if order % one == 0:
            here, there = _factors(one), _factors(order // one)
            if here is not None and there is not None:
                return (*here, *there)
    return None


def _field(order: int) -> int:
    """The prime q of Paley's construction of an order, 0 where there is none.

    q + 1 where q is 3 modulo 4, 2 (q + 1) where q is 1 modulo 4.
    """
    if order % 4:
        return 0
    return next((q for q in (order - 1, order // 2 - 1) if _is_prime(q) and order == (q + 1) * (1 + (q % 4 == 1))), 0)


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, isqrt(number) + 1))


def _paley(order: int) -> NDArray[np.int64]:
    """Paley's matrix: χ(i - j) over the field of q elements, χ the quadratic character, bordered by ones."""
    q = _field(order)
    character = np.full(q, -1, dtype=np.int64)
    character[np.arange(1, q) ** 2 % q] = 1
    character[0] = 0
    bordered = np.ones((q + 1, q + 1), dtype=np.int64)
    bordered[0, 0] = 0
    bordered[1:, 1:] = character[np.subtract.outer(np.arange(q), np.arange(q)) % q]
    one = np.eye(q + 1, dtype=np.int64)
    if q % 4 == 3:  # the character is odd: the border changes its sign too
        bordered[1:, 0] = -1
        return bordered + one
    return np.kron(bordered, np.array([[1, 1], [1, -1]])) + np.kron(one, np.array([[1, -1], [-1, -1]]))
