"""What is stored narrow comes back as near as its steps allow: a release can go on from what it serves."""

from __future__ import annotations

import numpy as np

from inference.training.narrow import BLOCK, narrowed, widened
from inference.training.pretrained import words_widened


def matrix(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, (6, 3 * BLOCK)).astype(np.float32)


def test_a_matrix_comes_back_within_half_a_step() -> None:
    values, step = narrowed(matrix(1))
    off = np.abs(widened(values, step) - matrix(1)).reshape(6, 3, BLOCK).max(axis=2)
    assert (off <= 0.5 * step.reshape(6, 3) * 1.001).all()


def test_what_came_back_narrows_to_the_same_bytes() -> None:
    """So that going on for no step at all changes nothing that is served."""
    values, step = narrowed(matrix(2))
    again, step_again = narrowed(widened(values, step))
    assert (again == values).all()
    assert np.allclose(step_again, step, rtol=1e-6)


def test_a_block_of_nothing_stays_nothing() -> None:
    values, step = narrowed(np.zeros((1, BLOCK), dtype=np.float32))
    assert (widened(values, step) == 0).all()


def test_word_vectors_come_back_from_both_halves_of_their_bytes() -> None:
    packed = np.full((1, 1, 16), 0x2F, dtype=np.uint8)
    wide = words_widened(packed, np.asarray([[0.5]], dtype=np.float16))
    assert wide.shape == (1, 32)
    assert (wide[0, :16] == (15 - 8) * 0.5).all()
    assert (wide[0, 16:] == (2 - 8) * 0.5).all()
