"""Work in a fork that is killed in the middle."""

from __future__ import annotations

import os
import signal
import time
import traceback


def forked(work, seconds=None):
    """Run ``work`` in a fork, killed after ``seconds``; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("a fork failed")
    return os.WIFEXITED(status)
