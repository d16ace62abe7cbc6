"""What an error code of the service means and what to do about it: one row each (FACTS §6).

The most specific row wins: a code with a text before the code alone. What is "likely" is the vendor's own
explanation, or what live calls showed; a code that no source names says so. A new row goes before the wider ones that
would take its code; tests hold that every code the simulator's scenarios answer with has a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Again = Literal["yes", "later", "changed", "no"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What happened, why, what to do, and whether the same request may be sent again."""

    codes: str = field(repr=False)
    """Codes that it is for: a regular expression for the whole code."""
    text: str = field(repr=False)
    """What the message must hold: a regular expression; empty for any."""
    what_happened: str
    """In a sentence."""
    likely_cause: str
    """What is usually behind it."""
    what_to_do: str
    """The next step."""
    again: Again
    """``yes``: the same request may work; ``later``: after a wait; ``changed``: not unchanged; ``no``."""

    def __str__(self) -> str:
        return f"{self.what_happened} {self.likely_cause} {self.what_to_do}".replace("  ", " ")


_KEY = r"InvalidApiKey|invalid_api_key|HTTP 401"
_PARAMETER = r"InvalidParameter(\..*)?|invalid_parameter_error"
_MEDIA = "A picture, sound or clip does not fit."

_ROWS = (
    # 401, 403: key, region, rights
    Advice(
        rf"{_KEY}|NOT AUTHORIZED|invalid access token", "",
        "The key was not accepted.",
        "Usually it is of another region than the host, of another workspace, or a plan key (sk-sp-…).",
        "Use a key of the session's own region: wan.live(region=…).", "no",
    ),
    Advice(
        "AccessDenied", "synchronous calls",
        "The call was not marked as asynchronous.", "The header X-DashScope-Async: enable is missing.",
        "A gateway may drop headers; ask its operator.", "no",
    ),
    Advice(
        "AccessDenied", "asynchronous calls",
        "The model does not take asynchronous calls.", "", "Choose an image-to-video model.", "no",
    ),
    Advice(
        "AccessDenied", "Policy expired",
        "The upload's permission had run out.", "It lasts five minutes.", "Submit again; a new one is asked for.", "yes",
    ),
    Advice(
        r"AccessDenied\.Unpurchased|(Model|Workspace|App)\.AccessDenied", "",
        "The account may not use this model.", "The service is not activated, or the workspace was not granted the model.",
        "Activate or grant it in the console.", "no",
    ),
    Advice(
        r"Endpoint\.AccessDenied", "", "The model or endpoint was retired.", "", "Choose a newer model.", "no",
    ),
    Advice(
        r"AllocationQuota\.FreeTierOnly", "",
        "The free quota is used up.", "The console's switch 'stop when used up' is on.",
        "Turn the switch off to pay as you go.", "no",
    ),
    Advice("AccessDenied|HTTP 403", "", "Access was denied.", "", "Look at the message and at the console's rights.", "no"),
    Advice(
        r"Arrearage|isv\.OUT_OF_SERVICE|PrepaidBillOverdue|PostpaidBillOverdue|CommodityNotPurchased", "",
        "The account cannot pay.", "A bill is overdue or the service was not bought.", "Settle it in the console.", "no",
    ),
    # 404: model, path
    Advice(
        rf"ModelNotFound|model_not_found|model_not_supported|({_PARAMETER})", r"[Mm]odel not exist|model_not",
        "The region does not know this model.", "A typo, or the model is not offered there.",
        "Check the id and the region: session.preview(request).", "no",
    ),
    Advice(
        "ModelNotFound|model_not_found|model_not_supported", "",
        "The region does not know this model.", "A typo, or the model is not offered there.",
        "Check the id and the region: session.preview(request).", "no",
    ),
    Advice("WorkSpaceNotFound", "", "There is no such workspace.", "", "Copy its id from the console.", "no"),
    Advice("NotFound|HTTP 404", "", "The path does not exist there.", "A gateway may have another prefix.",
           "Check base_url and poll_path.", "no"),
    # 400: body
    Advice(
        _PARAMETER, "url error",
        "Model and path do not belong together.",
        "First-and-last-frame models have a path of their own; a gateway may map paths wrongly.",
        "Use this toolkit's own path, or check the gateway's.", "no",
    ),
    Advice(
        _PARAMETER, r"[Ff]ailed to download|timed out|Unable to download",
        "The service could not fetch a medium.", "The address is not public, or its host is slow.",
        "Give a public, fast address, or a local file.", "yes",
    ),
    Advice(
        _PARAMETER, r"authorization to access the media|[Ff]ailed to find the requested media",
        "The medium's address is no longer good.", "A signed address expired.", "Give a new address, or a local file.",
        "changed",
    ),
    Advice(
        _PARAMETER, r"[Ff]ailed to decode|image size is not supported for the data inspection",
        "The inspection could not read the picture.", "", "Save it anew as JPEG or PNG, at most 8000 px a side.", "changed",
    ),
    Advice(
        _PARAMETER, r"[Dd]uration|Input should be|specification|Field required|must be set|must contain|Required parameter",
        "The body is not what the model takes.", "A value is out of range or a field is missing.",
        "See request.problems() and change the field that the message names.", "changed",
    ),
    Advice(
        _PARAMETER, r"[Ii]mage|size",
        "The picture does not fit.", "Sides, bytes or format are out of bounds.",
        "See request.problems(); wan.scale_into(picture) mends sides.", "changed",
    ),
    Advice(_PARAMETER, "", "A value is not what the model takes.", "", "See the message and request.problems().", "changed"),
    Advice(
        r"InvalidURL\.(ConnectionRefused|Timeout)", "",
        "The service could not reach a medium's address.", "Its host refused or was slow.", "Try again, or use a local file.",
        "yes",
    ),
    Advice(
        "InvalidURL", r"longer|shorter|larger|File type",
        "The audio does not fit.", "It is too long, too short, too large, or neither wav nor mp3.", "Trim or convert it.", "changed",
    ),
    Advice("InvalidURL", "", "A medium's address is not good.", "", "Give a public http(s) address, or a local file.", "changed"),
    Advice(r"InvalidFile\..*|InvalidImage.*", "", _MEDIA, "Size, length, ratio or format is out of bounds.",
           "See request.problems().", "changed"),
    Advice(
        "BadRequest.InputDownloadFailed", "", "The service could not fetch a medium.", "", "Give a public, fast address.", "yes",
    ),
    Advice(r"BadRequest\.EmptyWorkspace", "", "The path is wrong for this host.", "Hong Kong's host has paths of its own.",
           "Use the region's base URL.", "no"),
    Advice(r"BadRequest\..*", "", "The body or a medium is at fault.", "", "See the message and request.problems().", "changed"),
    Advice("UnsupportedOperation", "", "The service does not do this to a task in this state.",
           "Only PENDING tasks can be canceled.", "Let it run; a running task is billed if it succeeds.", "no"),
    Advice("Conflict|HTTP 409", "", "It exists already.", "", "Nothing to do.", "no"),
    Advice("HTTP 413", "", "The request is too large.", "Pictures go along as base64, a third larger than their file.",
           "Use a smaller picture or its address.", "changed"),
    # moderation
    Advice(
        "DataInspectionFailed|data_inspection_failed", r"[Oo]utput",
        "The moderation stopped the video.", "What came out may hold what is not allowed.",
        "Another seed or a changed prompt may pass; a failed task is free.", "changed",
    ),
    Advice(
        "DataInspectionFailed|data_inspection_failed", "",
        "The moderation stopped it.", "Prompt, picture or video may hold what is not allowed.",
        "Change the prompt or the picture; a failed task is free.", "changed",
    ),
    Advice("IPInfringementSuspect", "", "It may infringe somebody's rights.", "A known figure, brand or face.",
           "Change the prompt or the picture.", "changed"),
    Advice("CustomRoleBlocked|FaqRuleBlocked", "", "A rule of your own account stopped it.", "", "Adjust the rule.", "changed"),
    # no answer, or no such task
    Advice("UNKNOWN", "", "The service does not know this task, here and now.",
           "It is older than 24 hours, or of another account or region (tasks do not cross), or so new that it is not found yet.",
           "A young task is asked about again by itself; otherwise look at region and key, or run.again().", "no"),
    Advice("APIConnectionError|WaitTaskTimeout|HTTP 408", "", "The connection broke, or waiting ended too early.",
           "The network, or a limit of the program that waited.", "Keep the task_id and ask again: session.resume().", "yes"),
    # 429
    Advice(r"Throttling\.AllocationQuota|insufficient_quota", "", "The quota is reached.", "", "Wait, or ask for more.", "later"),
    Advice(r"Throttling\.Concurrency", "", "Too many tasks run at once.", "", "Wait for a place.", "yes"),
    Advice(r"Throttling\.BurstRate|limit_burst_rate", "", "Calls came too suddenly.", "", "Wait a minute.", "yes"),
    Advice(
        r"Throttling.*|limit_requests|HTTP 429", "", "Too many calls a second.",
        "All keys of an account share one limit.", "Wait a minute; this toolkit paces its own.", "yes",
    ),
    # 5xx
    Advice(r"InternalError\.Timeout", "", "The service had no result within three hours.", "", "run.again(); it was not billed.",
           "yes"),
    Advice(r"InternalError\.(FileUpload|Upload)", "", "The service could not store the result.", "", "run.again()", "yes"),
    Advice("RewriteFailed", "", "The prompt could not be rewritten.", "", "run.again(), or prompt_extend=False.", "yes"),
    Advice("ServiceUnavailable|ModelUnavailable|HTTP 503", "", "The service is overloaded.", "", "Try again in a minute.", "yes"),
    Advice("RequestTimeOut|ResponseTimeout", "", "The service took too long to answer.", "", "Try again in a minute.", "yes"),
    Advice(
        r"InternalError.*|internal_error|SystemError|ModelServiceFailed|HTTP 5\d\d", "",
        "The service itself failed.", "", "run.again(); failed tasks are free.", "yes",
    ),
    Advice("(?s).*", "", "The service gave a code that no source here names.", "",
           "Read its message; the request_id helps support.", "no"),
)  # fmt: skip


def explain(code: str, message: str = "") -> Advice:
    """Return the advice for a code and its message.

    Example:
        >>> explain("InvalidParameter", "url error, please check url!").what_happened
        'Model and path do not belong together.'
        >>> explain("DataInspectionFailed").again
        'changed'
    """
    return next(row for row in _ROWS if re.fullmatch(row.codes, code) and re.search(row.text, message))
