"""The simulator's face: the service as a Starlette app, alone for `httpx.ASGITransport` or on a loopback socket.

A handler reads the records, asks the engine, answers or refuses. It runs in a thread of the pool, so that neither a
body of 30 MB nor a slow folder holds up the loop; only waiting and closing connections happen on the loop.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wan_nb.catalog import ModelSpec, find_model
from wan_nb.clock import Clock
from wan_nb.errors import ConfigError
from wan_nb.simulator import engine, intake, storage
from wan_nb.simulator.engine import Json, RefusedError, Task, View
from wan_nb.simulator.scenario import Fault, Point, Scenario, find_fault
from wan_nb.simulator.store import Render, Store, Studio, result_name

Handler = Callable[[Request, bytes, Fault | None], Json]
"""Makes the answer to a call from its body and the fault that meets it."""

_HOST = "127.0.0.1"
_FAST = Clock(speed=60)
_QUERIES_PER_S = 20


class Simulator:
    """The embedded service: same paths, same answers, no key that costs anything, videos marked as simulated.

    Its tasks live in `folder`: a new simulator there goes on with them. `app` serves without a socket, `start()` with
    one.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, Simulator(Path(folder)) as simulator:
        ...     simulator.base_url.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock = _FAST,
        scenario: Scenario | None = None,
        port: int = 0,
        render: Render | None = None,
    ) -> None:
        """Open the folder.

        Args:
            folder: Where tasks, inputs and videos are kept; made when missing.
            clock: Dates, and how fast service seconds pass.
            scenario: Timing, limits, sizes, faults; a good day when not given.
            port: Loopback port for `start`; 0 takes a free one.
            render: What makes an MP4, in place of the real footage.
        """
        self._clock = clock
        self._scenario = scenario or Scenario()
        self._store = Store(folder, clock.now)
        self._studio = Studio(self._store, clock.now, render)
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._numbers: dict[Point, Iterator[int]] = defaultdict(itertools.count)
        self._recent: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._spans: tuple[object, Mapping[str, tuple[float, float]]] = (None, {})
        self.app = self._app()

    @property
    def base_url(self) -> str:
        """The address that a client takes for the service's.

        Raises:
            ConfigError: If the simulator was not started.
        """
        if self._server is None:
            raise ConfigError("the simulator has no address yet; call start() first.")
        return f"http://{_HOST}:{self._port}/api/v1"

    def start(self) -> Self:
        """Listen and serve in a daemon thread; when this returns, calls are answered.

        Raises:
            ConfigError: If the port is taken.
        """
        if self._server is not None:
            return self
        listener = _listen(self._port)
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="critical",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=_serve, args=(self._server, listener), name="simulator", daemon=True)
        self._thread.start()
        now, life_s = self._clock.now(), self._scenario.life_s
        self._store.prune(now - 2 * life_s, now - 2 * max(life_s, storage.UPLOAD_LIFE_S))
        return self

    def stop(self) -> None:
        """Stop serving and wait for the thread; tasks stay in the folder. Calling it again does nothing."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._server = self._thread = None
        self._studio.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _app(self) -> Starlette:
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
        routes.append(Route(storage.UPLOAD_PATH, self._upload, methods=["POST"]))
        expose = ["Accept-Ranges", "Content-Length", "Content-Range", "ETag"]
        cors = Middleware(
            CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=expose
        )
        errors = dict.fromkeys((RefusedError, HTTPException, Exception), _error)
        return Starlette(routes=routes, middleware=[cors], exception_handlers=errors)

    # --- faults and limits ---

    @asynccontextmanager
    async def _met(self, at: Point, request: Request) -> AsyncIterator[Fault | None]:
        """Count a call, and do what its fault does before and after it."""
        # looking at a result's head is no download
        fault = find_fault(self._scenario.faults, at, next(self._numbers[at])) if request.method != "HEAD" else None
        kind = fault.kind if fault else ""
        if fault and kind == "slow":
            await self._clock.sleep(fault.seconds)
        if kind == "reset":
            await self._drop(request, reset=True)  # and nobody hears the refusal
        if fault and kind in ("status", "reset"):
            raise RefusedError(fault.code, fault.message, fault.status)
        try:
            yield fault
        finally:
            if kind == "lost_answer":
                await self._drop(request)

    async def _drop(self, request: Request, *, reset: bool = False) -> None:
        """Close the connection of a request in the middle of it: an app has no way to ask its server for that."""
        lines = self._server.server_state.connections if self._server else ()
        line: Any = next((line for line in lines if getattr(line, "client", None) == request.client), None)
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
                if at in ("poll", "list", "cancel"):
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
        uploaded = partial(self._uploaded, spec, is_resolved)
        given = intake.addresses(spec, body)
        media = (storage.take_in(role, address, uploaded, self._store, self._scenario) for role, address in given)
        task = intake.plan(spec, body, media, self._clock.now(), self._clock.real_s(1), self._scenario)
        if fault and fault.kind == "fail_task":
            late = self._clock.real_s(fault.seconds)
            task = replace(task, code=fault.code, message=fault.message, fails_after=late)
        self._store.save(task)
        self._studio.want(task)
        return {"output": {"task_status": "PENDING", "task_id": task.task_id}, "request_id": task.request_id}

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
            rendered = self._store.date(result_name(task.task_id))
            view = engine.observe(task, spans, rendered, now, self._scenario)
            if rendered is None and view.status in ("PENDING", "RUNNING"):
                self._studio.want(task)
            views.append((task, view))
        return views

    def _poll(self, request: Request, _raw: bytes, fault: Fault | None) -> Json:
        task_id = request.path_params["task_id"]
        task, view = next(iter(self._views(task_id)), (None, View("UNKNOWN")))
        if fault and fault.kind == "expire":
            view = View("UNKNOWN")
        origin = self._scenario.result_origin or str(request.base_url).rstrip("/")
        url = storage.result_url(origin, task_id, int(view.end + self._scenario.life_s))
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
        if request.query_params.get("action") != "getPolicy":
            raise RefusedError("InvalidParameter", "Required parameter(action) missing or invalid.")
        spec = find_model(request.query_params.get("model", ""))
        if spec is None:
            raise RefusedError("ModelNotFound", "Model not exist.", 404)
        data = storage.policy(spec.id, str(request.base_url).rstrip("/"), self._clock.now())
        return {"request_id": engine.new_id(), "data": data}

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form, self._met("upload", request):
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise RefusedError("InvalidArgument", "The form has no file.")
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            await run_in_threadpool(self._receive, fields, file)
        return Response(status_code=200 if fields.get("success_action_status") == "200" else 204)

    def _receive(self, fields: dict[str, str], file: UploadFile) -> None:
        name = storage.upload_name(fields.get("key", ""))
        storage.check_upload(fields, file.size or 0, self._store.date(name) is not None, self._clock.now())
        self._store.make(name, lambda part: part.write_bytes(file.file.read()))

    def _uploaded(self, spec: ModelSpec, is_resolved: bool, address: str) -> str:
        """Return the kept file of an oss address: only with its header, in time, and for the model of its policy."""
        key = address.removeprefix("oss://")
        name = storage.upload_name(key)
        date = self._store.date(name) if is_resolved else None
        if date is None or self._clock.now() >= date + storage.UPLOAD_LIFE_S:
            raise RefusedError("InvalidParameter", "Failed to find the requested media resource")
        if not key.startswith(storage.upload_folder(spec.id)):
            raise RefusedError("InvalidParameter", "Don't have authorization to access the media resource")
        return name

    # --- results ---

    async def _download(self, request: Request) -> ASGIApp:
        task_id = request.path_params["task_id"]
        async with self._met("download", request) as fault:
            # An expired address is refused before anything is looked up, as storage does.
            now = math.inf if fault and fault.kind == "expire" else self._clock.now()
            storage.check_download(task_id, request.query_params, request.headers.get("authorization"), now)
            name = result_name(task_id)
            if self._store.date(name) is None:
                raise RefusedError("NoSuchKey", "The specified key does not exist.", 404)
            whole = FileResponse(self._store.folder / name, media_type="video/mp4")
            return partial(self._cut, whole, fault) if fault and fault.kind in ("truncate", "stall") else whole

    async def _cut(self, whole: Response, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, but close the connection before the body is complete."""
        left = 0

        async def passed_on(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                left = int(int(Headers(raw=message["headers"])["content-length"]) * fault.share)
                await send(message)
            elif left:
                body = message.get("body", b"")[:left]
                left -= len(body)
                await send({**message, "body": body, "more_body": True})

        await whole({**scope, "extensions": {}}, receive, passed_on)  # no extension may pass by it
        if fault.kind == "stall":
            await self._clock.sleep(fault.seconds)
        await self._drop(Request(scope, receive))


async def _error(request: Request, problem: Exception) -> Response:
    """Answer with an error: in JSON as every call (seeds 000, 001, 003), from storage in XML."""
    if isinstance(problem, HTTPException):
        code = HTTPStatus(problem.status_code).phrase.replace(" ", "")
        problem = RefusedError(code, problem.detail, problem.status_code)
    elif not isinstance(problem, RefusedError):
        problem = RefusedError("InternalError", f"{type(problem).__name__}: {problem}", 500)
    if request.url.path.startswith(("/results/", storage.UPLOAD_PATH)):
        return Response(storage.xml(problem.code, problem.message), problem.status, media_type="application/xml")
    body = {"code": problem.code, "message": problem.message, "request_id": engine.new_id()}
    return JSONResponse(body, problem.status)


def _listen(port: int) -> socket.socket:
    """Bind in the caller's thread, so that a taken port is the caller's error."""
    try:
        listener = socket.create_server((_HOST, port), backlog=1024)
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "ports are 0 to 65535"
        raise ConfigError(f"port {port} is not free ({reason}); choose another, or 0 for any.") from None
    # named as TCP, or asyncio would leave Nagle's delay on
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, listener.detach())


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    # Not asyncio.run: nest_asyncio, where somebody applied it, replaces it for every thread.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(server.serve(sockets=[listener]))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
