"""Observing the child and its data: its exit, its answers, and whether its disk can be written.

Whatever may take long is done on threads; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from monitord.errors import PassingError, PrometheusError
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.vitals import Vitals
from monitord.prometheus.child.diagnosis import Cause, diagnose
from monitord.prometheus.child.events import Exit
from monitord.prometheus.child.ports import owner_of
from monitord.prometheus.child.probe import Finding, look
from monitord.prometheus.child.process import PrometheusProcess
from monitord.prometheus.child.restart_policy import Observation, Phase, State, is_check_due, is_trial_due
from monitord.prometheus.data.storage import Storage
from monitord.system.background import Background, Run

T = TypeVar("T")

RELOADING_SECONDS = 0.2
"""How often the result of a reload is looked for."""


@dataclass(slots=True)
class Observer:
    """Observes the child. `port` is the one in the settings.

    `restore` restores the session's history into an empty data folder, before a start. `finding` is the
    result of the last check, `unwritable` is why the data folder cannot be written, and `blind` is why no
    check could be made, each empty when all is well. While checks fail, the last result stays.
    """

    storage: Storage
    port: int
    restore: Callable[[], None]
    connect: Callable[[], PrometheusClient]
    wake: Callable[[], None]
    run: Run
    finding: Finding | None = None
    unwritable: str = ""
    blind: str = ""
    _probe: Background[Finding] = field(init=False)
    _trial: Background[str] = field(init=False)
    _failed_writes: int = 0
    _probed_at: float = float("-inf")

    def __post_init__(self) -> None:
        self._probe = Background(self.wake, self.run)
        self._trial = Background(self.wake, self.run)

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to come."""
        return self._probe.is_busy or self._trial.is_busy

    @property
    def vitals(self) -> Vitals | None:
        return self.finding.vitals if self.finding else None

    def start_over(self) -> None:
        """Forget what was seen of an earlier run."""
        self.finding, self._failed_writes = None, 0
        self._probe.forget()

    def observe(
        self, process: PrometheusProcess | None, state: State, now: float
    ) -> tuple[Observation, Exit | None]:
        """Return what is observed now, and how the run ended if it did."""
        can_write = self._trial_result()
        code = process.poll() if process else None
        if process is None or code is not None:
            ended = self._exit(code, process.errors()) if process and code is not None else None
            return self._without_process(ended, can_write), ended
        found = self._answer(self._probe)
        if found is not None:
            return self._found(found, process, can_write), None
        if process.listening_url() is None and is_check_due(state, now):
            return self._found(Finding(ready=False), process, can_write), None
        return Observation(running=True, can_write=can_write), None

    def ask(self, state: State, now: float, serves: bool, reloading: bool) -> None:
        """Start the checks that are due, on threads."""
        overdue = reloading and now >= self._probed_at + RELOADING_SECONDS
        if serves and (overdue or is_check_due(state, now)):
            self._probed_at = now
            self._probe.ask(self._look)
        if is_trial_due(state, now):
            is_idle = state.phase is not Phase.RUNNING
            self._trial.ask(self._try_and_restore if is_idle else self.storage.try_writing)

    def _try_and_restore(self) -> str:
        reason = self.storage.try_writing()
        if not reason:
            try:
                self.restore()
            except OSError as error:
                return f"the session's history cannot be put back yet: {error}"
        return reason

    def _look(self) -> Finding:
        try:
            with self.connect() as client:
                return look(client)
        except PrometheusError:  # it has ended meanwhile
            return Finding(ready=False)

    def _trial_result(self) -> bool | None:
        reason = self._answer(self._trial)
        if reason is None:
            return None
        self.unwritable = reason
        return not reason

    def _answer(self, question: Background[T]) -> T | None:
        """Return the answer of a check; None when there is none, or it could not be made."""
        answer = question.take()
        if answer is None:
            return None
        try:
            found = answer.result()
        except PassingError as error:
            self.blind = str(error)
            return None
        self.blind = ""
        return found

    def _without_process(self, ended: Exit | None, can_write: bool | None) -> Observation:
        cause = ended.diagnosis.cause if ended else Cause.CRASHED
        may_set_aside = cause is not Cause.STORAGE or self.storage.may_set_aside()
        return Observation(running=False, can_write=can_write, cause=cause, may_set_aside=may_set_aside)

    def _exit(self, code: int, errors: tuple[str, ...]) -> Exit:
        diagnosis = diagnose(code, errors)
        owner = owner_of(self.port) if diagnosis.cause is Cause.PORT else None
        if owner:
            advice = f"port {self.port} is taken by {owner}; {diagnosis.advice}"
            diagnosis = replace(diagnosis, advice=advice)
        return Exit(code, errors, diagnosis)

    def _found(self, finding: Finding, process: PrometheusProcess, can_write: bool | None) -> Observation:
        self.finding = finding
        vitals = finding.vitals or Vitals()
        failed_before, failed = self._failed_writes, vitals.failed_writes or 0
        self._failed_writes = max(failed, failed_before)
        if failed > failed_before and not self.unwritable:
            self.unwritable = f"Prometheus cannot write to {self.storage.folder}"
        return Observation(
            running=True,
            ready=finding.ready,
            progress=hash((process.log_bytes(), finding.replay)),
            writes_failed=failed > failed_before,
            is_blind=bool(vitals.watcher_errors),
            can_write=can_write,
        )
