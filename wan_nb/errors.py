"""Every error of the toolkit, one class a cause.

::

    WanError
    ├── RequestError        a request that the service would fail, or bill and cut short
    ├── GeometryError       a size, ratio or tier that cannot be
    ├── MediaError          a picture, audio or clip that cannot be read
    ├── VideoError          a result file that cannot be read or written
    ├── ConfigError         key, region, endpoint or option
    ├── BudgetError         a run that the budget does not cover
    ├── LedgerError         the journal cannot be opened or believed
    ├── RunError            a run that has no video to give
    │   ├── TaskFailedError     the service gave the task up
    │   ├── ExpiredError        older than the 24 hours that the service keeps results
    │   └── AmbiguousError      sent, and the answer lost: it may be running and billed
    ├── StillRunningError   waiting ended before the run did; the run goes on
    ├── UnsentError         the network failed before anything was sent
    ├── LostAnswerError     the network failed after something was sent
    ├── DownloadError       a result that could not be fetched whole
    └── ServiceError        the service answered, and said no
        ├── AuthenticationError   401
        ├── AccessError           403
        ├── NotFoundError         404
        ├── ThrottledError        429, or a throttling code
        └── ServerFaultError      5xx, or 408

In a notebook each shows as its one line, not as forty lines of traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wan_nb.advice import Advice

CLOSED = "this session is closed; make a new one with wan.simulated() or wan.live()."
"""What a session says, and whatever it gave, once it is closed."""


class WanError(Exception):
    """Anything that this toolkit raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        """Give IPython the one line that a user needs instead of the stack."""
        return [f"{type(self).__name__}: {self}"]


class RequestError(WanError, ValueError):
    """A request that is held back; `problems` has everything that is wrong with it."""

    def __init__(self, message: str, problems: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class GeometryError(WanError, ValueError):
    """A size, ratio or tier that cannot be."""


class MediaError(WanError, ValueError):
    """A picture, audio or clip that cannot be read or used."""


class VideoError(WanError, ValueError):
    """A video file that cannot be read or written."""


class ConfigError(WanError, ValueError):
    """A key, region, endpoint or option that does not fit."""


class BudgetError(WanError):
    """A run that the budget does not cover, or whose price nobody knows."""


class LedgerError(WanError):
    """The journal cannot be opened, or what it holds does not add up."""


class RunError(WanError):
    """A run that has no video to give."""


class TaskFailedError(RunError):
    """The service gave the task up; `code`, `advice` and the ids say more."""

    def __init__(
        self, message: str, *, code: str = "", task_id: str = "", request_id: str = "", advice: Advice | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.task_id = task_id
        self.request_id = request_id
        self.advice = advice


class ExpiredError(RunError):
    """The service keeps tasks and results for 24 hours; this one is older."""


class AmbiguousError(RunError):
    """The request was sent and the answer lost: the task may exist and be billed. It is never sent again by itself."""


class StillRunningError(WanError, TimeoutError):
    """Waiting ended before the run did; the run goes on and `run.wait()` can be called again."""


class UnsentError(WanError, ConnectionError):
    """The network failed before anything was sent; trying again is safe."""


class LostAnswerError(WanError, ConnectionError):
    """The network failed after something was sent; what the service did is not known."""


class DownloadError(WanError):
    """A result that could not be fetched whole; `status` is the HTTP status, 0 where there was none."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ServiceError(WanError):
    """The service answered, and said no."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        request_id: str = "",
        task_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.task_id = task_id
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    @staticmethod
    def of_status(status: int) -> type[ServiceError]:
        """Return the class for an answer with this HTTP status."""
        kinds = {401: AuthenticationError, 403: AccessError, 404: NotFoundError, 429: ThrottledError}
        return kinds.get(status, ServerFaultError if status >= 500 or status == 408 else ServiceError)


class AuthenticationError(ServiceError):
    """401: the key is missing, wrong, or of another region."""


class AccessError(ServiceError):
    """403: the key is good and may not do this."""


class NotFoundError(ServiceError):
    """404: no such model, task or path here."""


class ThrottledError(ServiceError):
    """429, or a throttling code: too many at once."""


class ServerFaultError(ServiceError):
    """5xx, or 408 (it waited too long for the request): a passing fault, which leaves open what was done."""
