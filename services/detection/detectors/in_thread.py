"""For detectors that are a function: runs it in threads of its own, never in the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from services.detection.detectors.port import Answer, Found, Opening, Question, WrongAnswer

Look = Callable[[Question], Mapping[str, float]]
"""Scores by category. Called from several threads at once; must be quick and bounded, since a thread cannot be ended: one that
hangs is lost until the process ends, and when all hang the breaker opens."""


class InThread:
    """Asks a function."""

    def __init__(self, look: Look, opening: Opening) -> None:
        """As many threads as calls at a time."""
        self._look = look
        self._pool = ThreadPoolExecutor(opening.concurrency, thread_name_prefix=f"detector-{opening.name}")

    async def ask(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """See `Asks`. What the function raises about a content is that content's own affair."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._each, questions)

    async def close(self) -> None:
        """Waits for nobody."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _each(self, questions: Sequence[Question]) -> list[Answer]:
        answers: list[Answer] = []
        for question in questions:
            try:
                answers.append(Found(self._look(question)))
            except Exception as error:  # noqa: BLE001 - one content must not take the others' answers with it
                answers.append(WrongAnswer(f"it raised {type(error).__name__}"))
        return answers
