"""The supervisor's one way of waiting: for a signal, or for the time at which there is something to do.

The signals are blocked and taken one by one, so none is lost between two looks and no handler runs in the
middle of anything. A child gets an open mask back before its exec (`studio.supervisor.child`).
"""

import signal


class Stopped(BaseException):
    """Somebody asked the platform to stop: Ctrl-C, a signal, a closed terminal."""


class Ears:
    """Listens for ended children and for the wish to stop; after `nohup` a closed terminal is none.

    SIGINT counts even where it was ignored, as in the background of a script: there is no other use for it.
    """

    def __init__(self) -> None:
        self.stops = {signal.SIGINT, signal.SIGTERM}
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            self.stops.add(signal.SIGHUP)
        signal.pthread_sigmask(signal.SIG_BLOCK, self.stops | {signal.SIGCHLD})

    def wait(self, seconds: float) -> None:
        """Until a child ends, at most so long. Raises `Stopped`."""
        heard = signal.sigtimedwait(self.stops | {signal.SIGCHLD}, max(seconds, 0))
        if heard and heard.si_signo in self.stops:
            raise Stopped
