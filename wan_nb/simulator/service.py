"""The service as a Starlette app: every call of the documents, each with the fault that a scenario has for it.

A handler reads the records, asks the engine, answers. It runs in a thread of the pool, so that neither a body of 30 MB
nor a slow folder holds up the loop; only waiting and closing connections happen on the loop.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from wan_nb.catalog import find_model
from wan_nb.clock import Clock
from wan_nb.simulator import engine, intake, oss
from wan_nb.simulator.engine import Reply, Task, View
from wan_nb.simulator.inputs import take_in
from wan_nb.simulator.scenario import Fault, Point, Scenario, find_fault
from wan_nb.simulator.store import Store
from wan_nb.simulator.studio import Studio

Drop = Callable[[Scope, bool], Awaitable[None]]
"""Closes the connection of a request; with True as a reset."""


class _Counts:
    """What a process counts: calls of each kind (for faults) and calls within the last second (for limits)."""

    def __init__(self) -> None:
        self._calls: Counter[Point] = Counter()
        self._recent: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def number(self, at: Point) -> int:
        """Count a call and return its number, from 0."""
        with self._lock:
            self._calls[at] += 1
            return self._calls[at] - 1

    def has_room(self, key: str, most: int, now: float, second: float) -> bool:
        """Say whether one more call fits into the second that ends now; if so it is counted."""
        with self._lock:
            recent = self._recent.setdefault(key, deque())
            while recent and recent[0] <= now - second:
                recent.popleft()
            if len(recent) >= most:
                return False
            recent.append(now)
            return True


class Service:
    """Routes and handlers over one folder."""

    def __init__(self, store: Store, clock: Clock, scenario: Scenario, studio: Studio, drop: Drop) -> None:
        self._store = store
        self._clock = clock
        self._scenario = scenario
        self._studio = studio
        self._drop = drop
        self._counts = _Counts()
        self._spans: tuple[list[Task], Mapping[str, tuple[float, float]]] = ([], {})

    def app(self) -> Starlette:
        """Return the app; under /api/v1 and, for gateways, under any prefix before it."""
        calls: tuple[tuple[str, str, Point, Callable[[Request, bytes, Fault | None], Reply]], ...] = (
            ("POST", engine.VIDEO_PATH, "create", self._create),
            ("POST", engine.FRAMES_PATH, "create", self._create),
            ("GET", "/tasks", "list", self._list),
            ("GET", "/tasks/{task_id}", "poll", self._poll),
            ("POST", "/tasks/{task_id}/cancel", "cancel", self._cancel),
            ("GET", "/uploads", "policy", self._policy),
        )
        routes = [
            Route(f"{prefix}/api/v1{path}{slash}", self._call(at, handler), methods=[method])
            for prefix in ("", "/{gateway:path}")
            for method, path, at, handler in calls
            for slash in ("", "/")
        ]
        routes.append(Route("/results/{task_id}.mp4", self._download, methods=["GET"]))
        routes.append(Route(oss.UPLOAD_PATH, self._upload, methods=["POST"]))
        expose = ["Accept-Ranges", "Content-Length", "Content-Range", "ETag"]
        cors = Middleware(
            CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=expose
        )
        return Starlette(
            routes=routes, middleware=[cors], exception_handlers={HTTPException: _lost, Exception: _broken}
        )

    # --- calls under the base URL ---

    def _call(
        self, at: Point, handler: Callable[[Request, bytes, Fault | None], Reply]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            fault = await self._meet(at, request)
            if fault and fault.kind == "reset":
                return Response()
            if fault and fault.kind == "status":
                reply = engine.error(fault.status, fault.code, fault.message)
            else:
                gateway = bool(request.path_params.get("gateway"))
                refusal = engine.authorise(request.headers.get("authorization"), gateway=gateway)
                if refusal is None and at in ("poll", "list", "cancel"):
                    refusal = self._too_fast(at, self._scenario.limits.queries_per_s)
                reply = await run_in_threadpool(handler, request, raw, fault) if refusal is None else refusal
            if fault and fault.kind == "lost_answer":
                await self._drop(request.scope, False)
            return JSONResponse(reply.body, reply.status)

        return endpoint

    async def _meet(self, at: Point, request: Request) -> Fault | None:
        """Count a call, and do what its fault does before anything else."""
        fault = find_fault(self._scenario.faults, at, self._counts.number(at))
        if fault and fault.kind == "slow":
            await self._clock.sleep(fault.seconds)
        if fault and (fault.kind == "reset" or (fault.kind == "lost_answer" and at == "download")):
            await self._drop(request.scope, fault.kind == "reset")
        return fault

    def _second(self) -> float:
        return self._clock.real_s(1.0)

    def _too_fast(self, key: str, most: int) -> Reply | None:
        is_free = not self._scenario.limits.enforced
        is_free = is_free or self._counts.has_room(key, most, self._clock.now(), self._second())
        return None if is_free else engine.too_fast()

    def _create(self, request: Request, raw: bytes, fault: Fault | None) -> Reply:
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            return engine.error(400, "InvalidParameter", "Content-Type must be application/json")
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        path = request.url.path.partition("/api/v1")[2].rstrip("/")
        spec = engine.admit(path, request.headers.get("x-dashscope-async"), body)
        if isinstance(spec, Reply):
            return spec
        most = self._scenario.limits.submits_per_s or spec.rate.submits_per_s
        if refusal := self._too_fast(f"create {spec.id}", most):
            return refusal
        now = self._clock.now()
        resolve = request.headers.get("x-dashscope-ossresourceresolve", "").lower() == "enable"
        take = partial(take_in, model=body["model"], resolve_oss=resolve, store=self._store, scenario=self._scenario)
        media = [take(role, address, now=now) for role, address in intake.addresses(spec, body)]
        task = intake.plan(spec, body, media, now, self._second(), self._scenario)
        if fault and fault.kind == "fail_task":
            late = self._clock.real_s(fault.seconds)
            task = replace(task, code=fault.code, message=fault.message, fails_after=late)
        self._store.save(task)
        self._studio.want(task)
        return engine.created(task)

    def _views(self, task_id: str | None = None) -> list[tuple[Task, View]]:
        """Look at every task, or at one; those without a video get one made."""
        tasks = self._store.tasks()
        known, spans = self._spans
        if known is not tasks:
            spans = engine.schedule(tasks, self._scenario)
            self._spans = (tasks, spans)
        now = self._clock.now()
        views = []
        for task in tasks if task_id is None else [task for task in tasks if task.task_id == task_id]:
            view = engine.observe(task, spans, self._store.rendered(task.task_id), now, self._scenario)
            if view.status in ("PENDING", "RUNNING"):
                self._studio.want(task)
            views.append((task, view))
        return views

    def _poll(self, request: Request, _raw: bytes, fault: Fault | None) -> Reply:
        task_id = request.path_params["task_id"]
        task, view = next(iter(self._views(task_id)), (None, View("UNKNOWN")))
        if fault and fault.kind == "expire":
            view = View("UNKNOWN")
        origin = self._scenario.result_origin or _origin(request)
        url = oss.result_url(origin, task_id, int(view.end + self._scenario.life_s))
        return engine.polled(task_id, task, view, url)

    def _list(self, request: Request, _raw: bytes, _fault: Fault | None) -> Reply:
        return engine.listed(request.query_params, self._views(), self._clock.now())

    def _cancel(self, request: Request, _raw: bytes, _fault: Fault | None) -> Reply:
        for task, view in self._views(request.path_params["task_id"]):
            if view.status == "PENDING":
                self._store.save(replace(task, cancelled=self._clock.now()))
                return Reply(200, {"request_id": engine.new_id()})
        return engine.uncancellable()

    # --- uploads ---

    def _policy(self, request: Request, _raw: bytes, _fault: Fault | None) -> Reply:
        model = request.query_params.get("model", "")
        if request.query_params.get("action") != "getPolicy":
            return engine.error(400, "InvalidParameter", "Required parameter(action) missing or invalid.")
        if find_model(model) is None:
            return engine.error(404, "ModelNotFound", "Model not exist.")
        data = oss.policy(model, _origin(request), self._clock.now(), self._scenario)
        return Reply(200, {"request_id": engine.new_id(), "data": data})

    async def _upload(self, request: Request) -> Response:
        fault = await self._meet("upload", request)
        async with request.form() as form:
            file = form.get("file")
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            if fault and fault.kind == "reset":
                return Response()
            if fault and fault.kind == "status":
                return _refused((fault.status, fault.code, fault.message))
            if not isinstance(file, UploadFile):
                return _refused((400, "InvalidArgument", "The form has no file."))
            refusal = await run_in_threadpool(self._receive, fields, file)
        if fault and fault.kind == "lost_answer":
            await self._drop(request.scope, False)
        return _refused(refusal) if refusal else Response(status_code=_success(fields))

    def _receive(self, fields: dict[str, str], file: UploadFile) -> oss.Refusal | None:
        key, now = fields.get("key", ""), self._clock.now()
        taken = self._store.upload(key) is not None
        verdict = oss.upload_refusal(fields, file.size or 0, taken, now)
        if not isinstance(verdict, str):
            return verdict
        self._store.upload(key, {"file": self._store.keep(file.file.read()), "model": verdict, "date": now})
        return None

    # --- results ---

    async def _download(self, request: Request) -> Response:
        task_id = request.path_params["task_id"]
        fault = await self._meet("download", request) if request.method == "GET" else None
        if fault and fault.kind == "reset":
            return Response()
        if fault and fault.kind == "status":
            return _refused((fault.status, fault.code, fault.message))
        # An expired address is refused before anything is looked up, as storage does.
        now = float("inf") if fault and fault.kind == "expire" else self._clock.now()
        refusal = oss.download_refusal(task_id, request.query_params, request.headers.get("authorization"), now)
        if refusal:
            return _refused(refusal)
        if self._store.task(task_id) is None or self._store.rendered(task_id) is None:
            return _refused((404, "NoSuchKey", "The specified key does not exist."))
        response = FileResponse(self._store.result(task_id), media_type="video/mp4")
        if fault and fault.kind in ("truncate", "stall"):
            return _Broken(response, fault, self._clock, self._drop)
        return response


class _Broken(Response):
    """A response whose connection is closed before its body is complete."""

    def __init__(self, whole: Response, fault: Fault, clock: Clock, drop: Drop) -> None:
        super().__init__()
        self._whole = whole
        self._fault = fault
        self._clock = clock
        self._drop = drop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left: int | None = None

        async def counted(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                length = next(value for name, value in message["headers"] if name == b"content-length")
                left = int(int(length) * self._fault.share)
                await send(message)
            elif left is not None:
                body = message.get("body", b"")[:left]
                left -= len(body)
                await send({**message, "body": body, "more_body": True})
                if left == 0:
                    left = None
                    if self._fault.kind == "stall":
                        await self._clock.sleep(self._fault.seconds)
                    await self._drop(scope, False)

        await self._whole({**scope, "extensions": {}}, receive, counted)  # no extension may pass by `counted`


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _success(fields: dict[str, str]) -> int:
    """A form may choose among three; 204 when it does not."""
    wanted = fields.get("success_action_status", "")
    return int(wanted) if wanted in ("200", "201", "204") else 204


def _refused(refusal: oss.Refusal) -> Response:
    status, code, message = refusal
    return Response(oss.xml(code, message), status, media_type="application/xml")


async def _lost(_request: Request, problem: Exception) -> Response:
    status = problem.status_code if isinstance(problem, HTTPException) else 404
    code, message = {
        404: ("NotFound", "The path does not exist."),
        405: ("MethodNotAllowed", "The method is not allowed."),
    }.get(status, ("InvalidParameter", str(problem)))
    return JSONResponse(engine.error(status, code, message).body, status)


async def _broken(_request: Request, problem: Exception) -> Response:
    return JSONResponse(engine.error(500, "InternalError", f"{type(problem).__name__}: {problem}").body, 500)
