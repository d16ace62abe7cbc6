"""The service as a Starlette app: every call of the documents, each with the fault that a scenario has for it.

A handler reads the records, asks the engine, answers or refuses. It runs in a thread of the pool, so that neither a
body of 30 MB nor a slow folder holds up the loop; only waiting and closing connections happen on the loop.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wan_nb.catalog import ModelSpec, find_model
from wan_nb.clock import Clock
from wan_nb.simulator import engine, intake, oss
from wan_nb.simulator.engine import Json, RefusedError, Task, View
from wan_nb.simulator.inputs import take_in
from wan_nb.simulator.scenario import Fault, Point, Scenario, find_fault
from wan_nb.simulator.store import Store
from wan_nb.simulator.studio import Studio

Handler = Callable[[Request, bytes, Fault | None], Json]
"""Makes the answer to a call from its body and the fault that meets it."""

_QUERIES = ("poll", "list", "cancel")
_QUERIES_PER_S = 20


class Service:
    """Routes and handlers over one folder."""

    def __init__(self, store: Store, studio: Studio, clock: Clock, scenario: Scenario) -> None:
        self._store = store
        self._studio = studio
        self._clock = clock
        self._scenario = scenario
        self.lines: Collection[Any] = ()
        """Open connections of the server; none without a socket."""
        self._numbers: dict[Point, Iterator[int]] = defaultdict(itertools.count)
        self._recent: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._spans: tuple[object, Mapping[str, tuple[float, float]]] = (None, {})

    def app(self) -> Starlette:
        """Return the app; under /api/v1 and, for gateways, under any prefix before it."""
        calls: tuple[tuple[str, str, Point, Handler], ...] = (
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
        handlers = {_DroppedError: _nothing, RefusedError: _error, HTTPException: _error, Exception: _error}
        return Starlette(routes=routes, middleware=[cors], exception_handlers=handlers)

    # --- faults and limits ---

    @asynccontextmanager
    async def _met(self, at: Point, request: Request) -> AsyncIterator[Fault | None]:
        """Count a call, and do what its fault does before and after it."""
        # looking at a result's head is no download
        fault = find_fault(self._scenario.faults, at, next(self._numbers[at])) if request.method != "HEAD" else None
        kind = fault.kind if fault else ""
        if fault and kind == "slow":
            await self._clock.sleep(fault.seconds)
        if fault and kind == "status":
            raise RefusedError(fault.code, fault.message, fault.status)
        if kind == "reset":
            await self._drop(request, reset=True)
            raise _DroppedError
        try:
            yield fault
        finally:
            if kind == "lost_answer":
                await self._drop(request)
                raise _DroppedError

    async def _drop(self, request: Request, *, reset: bool = False) -> None:
        """Close the connection of a request in the middle of it: an app has no way to ask its server for that."""
        line = next((line for line in self.lines if line.client == request.client), None)
        if line is None:  # no socket: say what a client of a real one would see
            import httpx

            raise httpx.ReadError("connection reset") if reset else httpx.RemoteProtocolError("Server disconnected")
        if reset:
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # closing then sends RST in place of FIN
            line.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            line.transport.abort()
        else:
            line.transport.close()
        while (await request.receive())["type"] != "http.disconnect":
            pass  # only then does uvicorn know that no answer is owed

    def _limit(self, key: str, most: int) -> None:
        """Count a call, or refuse it where the second that ends now is full."""
        if not self._scenario.limits.enforced:
            return
        now = self._clock.now()
        with self._lock:
            recent = self._recent[key]
            while recent and recent[0] <= now - self._clock.real_s(1):
                recent.popleft()
            if len(recent) >= most:
                raise RefusedError(*engine.TOO_FAST)
            recent.append(now)

    # --- calls under the base URL ---

    def _call(self, at: Point, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            async with self._met(at, request) as fault:
                is_gateway = "gateway" in request.path_params
                engine.authorise(request.headers.get("authorization"), gateway=is_gateway)
                if at in _QUERIES:
                    self._limit(at, _QUERIES_PER_S)
                return JSONResponse(await run_in_threadpool(handler, request, raw, fault))

        return endpoint

    def _create(self, request: Request, raw: bytes, fault: Fault | None) -> Json:
        headers, path = request.headers, request.url.path.partition("/api/v1")[2].rstrip("/")
        if not headers.get("content-type", "").lower().startswith("application/json"):
            raise RefusedError("InvalidParameter", "Content-Type must be application/json")
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        spec = engine.admit(path, headers.get("x-dashscope-async"), body)
        self._limit(f"create {spec.id}", self._scenario.limits.submits_per_s or spec.rate.submits_per_s)
        is_resolved = headers.get("x-dashscope-ossresourceresolve", "").lower() == "enable"

        def uploaded(address: str) -> str:
            return self._uploaded(address, spec, is_resolved)

        given = intake.addresses(spec, body)
        media = (take_in(role, address, uploaded, self._store, self._scenario) for role, address in given)
        task = intake.plan(spec, body, media, self._clock.now(), self._clock.real_s(1), self._scenario)
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
            spans = engine.schedule(tasks.values(), self._scenario)
            self._spans = (tasks, spans)
        now = self._clock.now()
        views = []
        for task in tasks.values() if task_id is None else filter(None, [tasks.get(task_id)]):
            view = engine.observe(task, spans, self._store.rendered(task.task_id), now, self._scenario)
            if view.status in ("PENDING", "RUNNING"):
                self._studio.want(task)
            views.append((task, view))
        return views

    def _poll(self, request: Request, _raw: bytes, fault: Fault | None) -> Json:
        task_id = request.path_params["task_id"]
        task, view = next(iter(self._views(task_id)), (None, View("UNKNOWN")))
        if fault and fault.kind == "expire":
            view = View("UNKNOWN")
        origin = self._scenario.result_origin or _origin(request)
        url = oss.result_url(origin, task_id, int(view.end + self._scenario.life_s))
        return engine.polled(task_id, task, view, url)

    def _list(self, request: Request, _raw: bytes, _fault: Fault | None) -> Json:
        return engine.listed(request.query_params, self._views(), self._clock.now())

    def _cancel(self, request: Request, _raw: bytes, _fault: Fault | None) -> Json:
        for task, view in self._views(request.path_params["task_id"]):
            if view.status == "PENDING":
                self._store.save(replace(task, cancelled=self._clock.now()))
                return {"request_id": engine.new_id()}
        text = "Failed to cancel the task, please confirm if the task is in PENDING status."
        raise RefusedError("UnsupportedOperation", text)

    # --- uploads ---

    def _policy(self, request: Request, _raw: bytes, _fault: Fault | None) -> Json:
        model = request.query_params.get("model", "")
        if request.query_params.get("action") != "getPolicy":
            raise RefusedError("InvalidParameter", "Required parameter(action) missing or invalid.")
        if find_model(model) is None:
            raise RefusedError("ModelNotFound", "Model not exist.", 404)
        return {"request_id": engine.new_id(), "data": oss.policy(model, _origin(request), self._clock.now())}

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form, self._met("upload", request):
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise RefusedError("InvalidArgument", "The form has no file.")
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            await run_in_threadpool(self._receive, fields, file)
        wanted = fields.get("success_action_status", "")
        return Response(status_code=int(wanted) if wanted in ("200", "201", "204") else 204)

    def _receive(self, fields: dict[str, str], file: UploadFile) -> None:
        key, now = fields.get("key", ""), self._clock.now()
        model = oss.check_upload(fields, file.size or 0, self._store.upload(key) is not None, now)
        self._store.note_upload(key, file=self._store.keep(file.file.read()), model=model, date=now)

    def _uploaded(self, address: str, spec: ModelSpec, is_resolved: bool) -> str:
        """Return the kept file of an oss address: only with its header, in time, and for the model of its policy."""
        facts = self._store.upload(address.removeprefix("oss://")) if is_resolved else None
        if facts is None or self._clock.now() >= facts["date"] + oss.UPLOAD_LIFE_S:
            raise RefusedError("InvalidParameter", "Failed to find the requested media resource")
        if find_model(facts["model"]) is not spec:
            raise RefusedError("InvalidParameter", "Don't have authorization to access the media resource")
        return str(facts["file"])

    # --- results ---

    async def _download(self, request: Request) -> ASGIApp:
        task_id = request.path_params["task_id"]
        async with self._met("download", request) as fault:
            # An expired address is refused before anything is looked up, as storage does.
            now = math.inf if fault and fault.kind == "expire" else self._clock.now()
            oss.check_download(task_id, request.query_params, request.headers.get("authorization"), now)
            if self._store.rendered(task_id) is None:
                raise RefusedError("NoSuchKey", "The specified key does not exist.", 404)
            whole = FileResponse(self._store.result(task_id), media_type="video/mp4")
            is_cut = fault and fault.kind in ("truncate", "stall")
            return self._cut(whole, fault) if fault and is_cut else whole

    def _cut(self, whole: Response, fault: Fault) -> ASGIApp:
        """Return a response whose connection is closed before its body is complete."""

        async def cut(scope: Scope, receive: Receive, send: Send) -> None:
            left: int | None = None

            async def counted(message: Message) -> None:
                nonlocal left
                if message["type"] == "http.response.start":
                    length = next(value for name, value in message["headers"] if name == b"content-length")
                    left = int(int(length) * fault.share)
                    await send(message)
                elif left is not None:
                    body = message.get("body", b"")[:left]
                    left -= len(body)
                    await send({**message, "body": body, "more_body": True})
                    if left == 0:
                        left = None
                        if fault.kind == "stall":
                            await self._clock.sleep(fault.seconds)
                        await self._drop(Request(scope, receive))

            await whole({**scope, "extensions": {}}, receive, counted)  # no extension may pass by `counted`

        return cut


class _DroppedError(Exception):
    """The connection is closed: nobody is there who could be answered."""


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


async def _nothing(_request: Request, _problem: Exception) -> Response:
    return Response()


async def _error(request: Request, problem: Exception) -> Response:
    """Answer with an error: in JSON as every call (seeds 000, 001, 003), from storage in XML."""
    if isinstance(problem, HTTPException):
        missing = {
            404: ("NotFound", "The path does not exist."),
            405: ("MethodNotAllowed", "The method is not allowed."),
        }
        told = missing.get(problem.status_code, ("InvalidParameter", problem.detail))
        problem = RefusedError(*told, problem.status_code)
    elif not isinstance(problem, RefusedError):
        problem = RefusedError("InternalError", f"{type(problem).__name__}: {problem}", 500)
    if request.url.path.startswith(("/results/", oss.UPLOAD_PATH)):
        return Response(oss.xml(problem.code, problem.message), problem.status, media_type="application/xml")
    body = {"code": problem.code, "message": problem.message, "request_id": engine.new_id()}
    return JSONResponse(body, problem.status)
