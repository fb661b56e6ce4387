"""Stopping when the user or the scheduler asks: at once where nothing is lost by it, else after the step."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PARENT = "DISENT_BENCH_PARENT"
"""Environment variable with the process whose end is the end of this one."""
BUSY = 75
"""Exit status (EX_TEMPFAIL) by which a run that a study started says that another process was faster."""
_unheeded: list[int] = []
"""Signals that have ended nothing yet: destructors, callbacks from C and libraries that catch everything swallow an
exception that happens to be raised within them."""


class Interrupted(BaseException):
    """A signal asked the run to stop; what was done is saved.

    Like KeyboardInterrupt it passes by those who catch every Exception.
    """


def interrupt(number: int, frame: FrameType | None) -> None:
    """Handle a signal: raise KeyboardInterrupt, and keep the signal in case something swallows that."""
    _unheeded.append(number)
    raise KeyboardInterrupt


def take_unheeded() -> list[int]:
    """Return the signals by which nothing has ended yet, and forget them."""
    taken = list(_unheeded)
    _unheeded.clear()
    return taken


class Trained(Interrupted):
    """A run stops after its last step, as it was told to; what was done is saved, and left to be scored."""


class Stop:
    """Hears SIGINT and SIGTERM; a second one goes to whoever heard them before.

    Outside of `holding` a signal raises `Interrupted` where the program stands; within it is kept for `number`. One
    that came before and has ended nothing raises at once.
    """

    unscored = False
    """Whether the run stops after its last step, and leaves all scores of before and after training to others."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.holding = False
        self._before: dict[int, signal.Handlers] = {}

    @property
    def name(self) -> str:
        """Name of the signal that came."""
        return "" if self.number is None else signal.Signals(self.number).name

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear signals within; only a main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}  # type: ignore[misc]
        try:
            for number in take_unheeded():
                self._hear(number, None)
            yield
        except Interrupted:
            take_unheeded()
            raise
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def hold(self) -> None:
        """Keep signals for `number` from here on, and hear them alone until they come.

        Lightning puts its own handler before ours when a fit begins. It ends the fit after the step in which SIGTERM
        came, also where the step's state is not saved: a signal that came after the step's last callback.
        """
        self.holding = True
        if self._before and self.number is None:
            for number in SIGNALS:
                signal.signal(number, self._hear)

    @contextmanager
    def released(self) -> Iterator[None]:
        """Let a signal raise `Interrupted` within, also one that came before."""
        holding, self.holding = self.holding, False
        try:
            if self.number is not None:
                raise Interrupted(self.name)
            yield
        finally:
            self.holding = holding

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        _unheeded.append(number)
        signal.signal(number, self._before[number])
        if not self.holding:
            raise Interrupted(self.name)


class StopOfThread(Stop):
    """Of a run that is trained on a thread, where no signals are heard: it is told of them."""

    unscored = True

    def __init__(self) -> None:
        super().__init__()
        self._thread: int | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what is told within."""
        self._thread = threading.get_ident()
        try:
            if self.number is not None:
                raise Interrupted(self.name)
            yield
        finally:
            self._thread = None

    def tell(self, number: int) -> None:
        """Do with a signal as `Stop` does; a second one raises `Interrupted` wherever the thread stands."""
        again, self.number = self.number is not None, number
        if self._thread is not None and (again or not self.holding):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(Interrupted))


@contextmanager
def budget(seconds: float | None) -> Iterator[None]:
    """Send SIGTERM to this process once it has spent so much time within; never if None."""
    if seconds is None:
        yield
        return

    def spent() -> None:
        print("the time of --budget is spent", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

    timer = threading.Timer(seconds, spent)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def end_with_parent() -> bool:
    """Send SIGTERM to this process once the one that ``PARENT`` names is gone, and return whether it names any.

    SIGUSR2, by which Slurm announces to all processes of a job that it will be preempted, is then left to the parent.
    """
    if PARENT not in os.environ:
        return False
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    parent = int(os.environ[PARENT])

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()
    return True
