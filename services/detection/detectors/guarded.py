"""One detector that is on, and what keeps it from harming anybody: queue, deadline, breaker, budget, a hard look at answers."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from moat.detection.v1 import signals_pb2
from moat_client.coalescer import Batch, Coalescer, DeadlinePassed, QueueFull

from services.detection.detectors import metrics
from services.detection.detectors.breaker import Breaker, State
from services.detection.detectors.document import MOST_MICROS
from services.detection.detectors.ledger import Ledger
from services.detection.detectors.loading import Prepared
from services.detection.detectors.port import Answer, Asks, Found, Kind, NotThere, Question, WrongAnswer
from services.detection.detectors.turns import Turns
from services.runtime.logs import log

_TENANTS_QUEUES = 16
"""So many tenants' queues may be full at once; then nobody waits."""

_CLOSE_SECONDS = 2.0


class How(StrEnum):
    """`DetectorFinding.state`."""

    ANSWERED = "answered"
    OUT_OF_TIME = "out_of_time"
    UNAVAILABLE = "unavailable"
    OVER_BUDGET = "over_budget"
    FAILED = "failed"


@dataclass(slots=True)
class _Asked:
    question: Question
    sent: bool = False

    @property
    def group(self) -> tuple[str, str, Kind]:
        return self.question.tenant, self.question.environment, self.question.kind


class Guarded:
    """Belongs to one event loop."""

    def __init__(
        self, prepared: Prepared, asks: Asks, ledger: Ledger, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`asks` does the asking and is closed with this. `clock` is the breaker's."""
        self.prepared = prepared
        document = self.document = prepared.document
        self._asks = asks
        self._ledger = ledger
        self._seconds = document.deadline_ms / 1000
        self._turns: Turns[_Asked, Found] = Turns(group=lambda asked: asked.group)
        self._coalescer: Coalescer[_Asked, Found] = Coalescer(
            self._send,
            slots=document.concurrency,
            max_batch=document.max_list,
            max_queue=document.queue * _TENANTS_QUEUES,
            line=self._turns,
        )
        settings = document.breaker
        self.breaker = Breaker(
            failures=settings.failures,
            calls=settings.calls,
            seconds=settings.seconds,
            clock=clock,
            changed=self._breaker_changed,
        )
        metrics.BREAKER.labels(document.name).set(0)

    async def ask(self, question: Question, *, deadline: float | None) -> signals_pb2.DetectorFinding:
        """Never raises, and returns by `deadline` (of `time.monotonic`) or the detector's own, whichever is first."""
        began = time.monotonic()
        finding = signals_pb2.DetectorFinding(name=self.document.name, version=self.prepared.version)
        how = await self._ask(self._cut(question), began, deadline, finding)
        finding.state = how.value
        metrics.ANSWERS.labels(self.document.name, how.value).inc()
        metrics.SECONDS.labels(self.document.name).observe(time.monotonic() - began)
        return finding

    async def close(self) -> None:
        """Lets calls end, but not for long; then the detector goes."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._coalescer.drain(), _CLOSE_SECONDS)
        await self._asks.close()

    def _cut(self, question: Question) -> Question:
        most = self.document.max_characters
        if len(question.text) <= most:
            return question
        return Question(
            question.kind,
            question.text[:most],
            language=question.language,
            tenant=question.tenant,
            environment=question.environment,
            surface=question.surface,
        )

    async def _ask(
        self, question: Question, began: float, deadline: float | None, finding: signals_pb2.DetectorFinding
    ) -> How:
        until = began + self._seconds if deadline is None else min(deadline, began + self._seconds)
        if until <= began:
            return How.OUT_OF_TIME
        asked = _Asked(question)
        if self.breaker.refuses or self._turns.waiting(asked.group) >= self.document.queue:
            return How.UNAVAILABLE
        budget, tenant, name = self.document.budget, question.tenant, self.document.name
        day = self._ledger.take(name, tenant, budget)
        if day is None:
            return How.OVER_BUDGET
        found: Found | None = None
        try:
            found = await self._answer(asked, until)
        except Exception as error:  # noqa: BLE001 - whatever a detector does, the content's own tiers still count
            return self._how(error)
        finally:
            # What has been sent costs, whether or not somebody still waited for the answer.
            said = found.cost_micros if found is not None else 0
            finding.cost_micros = (said or budget.cost_micros) if asked.sent else 0
            self._ledger.settle(name, tenant, day, taken=budget.cost_micros, spent=finding.cost_micros)
            metrics.COST.labels(name).inc(finding.cost_micros)
        finding.scores.extend(_scores(found.scores))
        return How.ANSWERED

    async def _answer(self, asked: _Asked, until: float) -> Found:
        future = self._coalescer.submit(asked, deadline=until)
        return await asyncio.wait_for(future, until - time.monotonic())

    def _how(self, error: Exception) -> How:
        if isinstance(error, TimeoutError | DeadlinePassed):
            return How.OUT_OF_TIME
        how = How.UNAVAILABLE if isinstance(error, NotThere | QueueFull) else How.FAILED
        reason = str(error) if isinstance(error, NotThere | WrongAnswer) else ""
        log.info(
            "detector_missed", detector=self.document.name, state=how.value, error=type(error).__name__, why=reason
        )
        return how

    async def _send(self, batch: Batch[_Asked, Found]) -> None:
        one = self.breaker.enter()
        if one is None:
            raise NotThere("its breaker is open")
        for pending in batch:
            pending.item.sent = True
        try:
            async with asyncio.timeout(self._seconds):
                answers = await self._asks.ask([pending.item.question for pending in batch])
        except (NotThere, TimeoutError):
            self.breaker.failed(one)
            raise
        except WrongAnswer:
            # The content may have caused it: whoever writes contents must not be able to turn a detector off.
            self.breaker.worked(one)
            raise
        except BaseException:
            self.breaker.left(one)
            raise
        self.breaker.worked(one)
        if len(answers) != len(batch):
            raise WrongAnswer("it did not answer each question once")
        for pending, answer in zip(batch, answers, strict=True):
            _settle(pending.resolve, pending.fail, answer, self.prepared.categories)

    def _breaker_changed(self, state: State) -> None:
        name = self.document.name
        metrics.BREAKER.labels(name).set(metrics.BREAKER_VALUES[state])
        if state is State.OPEN:
            metrics.OPENED.labels(name).inc()
        log.warning("detector_breaker", detector=name, state=state.value)


def _settle(
    resolve: Callable[[Found], None], fail: Callable[[BaseException], None], answer: Answer, categories: Sequence[str]
) -> None:
    if isinstance(answer, WrongAnswer):
        return fail(answer)
    if not answer.scores.keys() <= set(categories):
        return fail(WrongAnswer("it scored a category that its file does not name"))
    if not all(math.isfinite(score) and 0 <= score <= 1 for score in answer.scores.values()):
        return fail(WrongAnswer("a score is no number from 0 to 1"))
    if not 0 <= answer.cost_micros <= MOST_MICROS:
        return fail(WrongAnswer(f"its cost is no number from 0 to {MOST_MICROS}"))
    return resolve(answer)


def _scores(scores: Mapping[str, float]) -> list[signals_pb2.Score]:
    return [signals_pb2.Score(category=category, probability=scores[category]) for category in sorted(scores)]
