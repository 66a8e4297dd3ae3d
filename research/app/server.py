"""The page: what it asks for and what it gets. It listens on this machine alone, unless told."""

import pathlib
import socket
import threading
import webbrowser
from typing import TYPE_CHECKING, Any

from research.app.blind import Blind
from research.app.jobs import Jobs
from research.app.sounds import Sounds, Upload
from research.errors import InputError
from research.files import exclusive_lock
from research.workdir import make_workdir

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request

PORT = 8421
"""The port, if it is free and none is given."""
_PAGE = pathlib.Path(__file__).parent / "page"
_STYLE = pathlib.Path(__file__).parents[1] / "report" / "templates" / "report.css"
_LOOPBACK = "127.0.0.1", "localhost", "::1"
# Files of a take that can be had.
_FILES = {"output.wav": "audio/wav", "preview.wav": "audio/wav", "report.html": "text/html"}
_POLICY = (
    "default-src 'none'; connect-src 'self'; media-src 'self' blob:; img-src 'self' data:; "
    "style-src 'self'; script-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'"
)


def serve(
    workdir: pathlib.Path, host: str, port: int | None, upload_mb: float, opens_browser: bool
) -> None:
    """Serve the page until a signal ends it.

    Args:
      workdir: where recordings and takes are kept.
      host: address to listen on.
      port: to listen on; by default `PORT`, or a free one if it is taken.
      upload_mb: largest size of a recording, MB.
      opens_browser: whether to open the page.

    Raises:
      InputError: Starlette or Uvicorn is missing, the address cannot be used, or another process
        serves the workdir.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise InputError(f"--mode=app needs {error.name}; pip install starlette uvicorn") from error
    folder = make_workdir(workdir).resolve()
    with exclusive_lock(folder), _listen(host, port) as listener:
        address = f"http://{'localhost' if host in _LOOPBACK else host}:{listener.getsockname()[1]}"
        sounds = Sounds(folder / "sounds")
        jobs = Jobs(folder / "takes", sounds)
        blind = Blind(folder, jobs, sounds)
        try:
            hosts = _LOOPBACK if host in _LOOPBACK else None
            app = make_app(sounds, jobs, blind, hosts, upload_mb)
            config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
            print(f"Open {address} (Ctrl-C ends it); files are in {workdir}", flush=True)
            if opens_browser:
                threading.Timer(0.5, webbrowser.open, [address]).start()
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            jobs.close()


def _listen(host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in (PORT, 0) if port is None else (port,):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
            listener.listen()
        except (OSError, OverflowError) as error:
            listener.close()
            if port is not None or number == 0:
                reason = getattr(error, "strerror", None) or error
                raise InputError(
                    f"cannot listen on {host} port {number} ({reason}); give another --host or "
                    "--port"
                ) from error
        else:
            return listener
    raise AssertionError  # The last number raises.


def make_app(
    sounds: Sounds, jobs: Jobs, blind: Blind, hosts: tuple[str, ...] | None, upload_mb: float
) -> "Starlette":
    """The application.

    Args:
      sounds: the recordings.
      jobs: the takes.
      blind: the blind comparisons.
      hosts: names that the page may be asked for by, against sites that have their names lead
        here; None for all.
      upload_mb: largest size of a recording, MB.
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import ClientDisconnect
    from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    most_bytes = round(upload_mb * 1e6)

    async def page(request: "Request") -> Response:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return FileResponse(_PAGE / "app.html", headers=headers)

    async def script(request: "Request") -> Response:
        return FileResponse(_PAGE / "app.js", headers={"Cache-Control": "no-store"})

    async def style(request: "Request") -> Response:
        text = _STYLE.read_text() + (_PAGE / "app.css").read_text()
        return Response(text, media_type="text/css", headers={"Cache-Control": "no-store"})

    def state(request: "Request") -> Response:
        summary = {"sounds": sounds.summary(), "takes": jobs.summary(), "upload_mb": upload_mb}
        return JSONResponse(summary)

    async def upload(request: "Request") -> Response:
        name, stream = request.query_params.get("name", ""), request.stream()
        received = await run_in_threadpool(Upload, sounds.folder, name, most_bytes)
        try:
            async for data in stream:
                await run_in_threadpool(received.write, data)
            sound = await run_in_threadpool(received.finish)
        except BaseException as error:
            await run_in_threadpool(received.discard)
            if isinstance(error, ClientDisconnect):
                return Response(status_code=400)
            async for _ in stream:  # A browser reads no answer before it has sent all.
                pass
            raise
        sounds.add(sound)
        return JSONResponse(sound.summary(), 201)

    async def add(request: "Request") -> Response:
        asked = await _json(request)
        return JSONResponse({"id": await run_in_threadpool(jobs.add, asked)}, 201)

    async def start_trial(request: "Request") -> Response:
        return JSONResponse(await run_in_threadpool(blind.start, await _json(request)), 201)

    async def vote(request: "Request") -> Response:
        id, given = request.path_params["id"], await _json(request)
        return JSONResponse(await run_in_threadpool(blind.vote, id, given), 201)

    def of_trial(request: "Request") -> Response:
        path = blind.path(request.path_params["id"], request.path_params["letter"])
        if not path.is_file():
            return PlainTextResponse("the take was removed", 404)
        return FileResponse(path, media_type="audio/wav", headers={"Cache-Control": "no-store"})

    def remove(request: "Request") -> Response:
        jobs.remove(request.path_params["id"], request.query_params.get("was"))
        return Response(status_code=204)

    def sound(request: "Request") -> Response:
        path = sounds[request.path_params["id"]].path
        return FileResponse(path) if path.is_file() else PlainTextResponse("it is gone", 404)

    def file(request: "Request") -> Response:
        id, name = request.path_params["id"], request.path_params["name"]
        path = jobs.path(id, name)
        if name not in _FILES or not path.is_file():
            return PlainTextResponse("there is no such file", 404)
        download = f"{jobs.title(id)}.wav" if "download" in request.query_params else None
        headers = {"Cache-Control": "no-store"}
        return FileResponse(path, media_type=_FILES[name], filename=download, headers=headers)

    async def refuse(request: "Request", error: Exception) -> Response:
        if isinstance(error, OSError):
            return JSONResponse({"error": error.strerror or str(error)}, 507)
        return JSONResponse({"error": str(error)}, 422)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/app.js", script),
            Route("/app.css", style),
            Route("/state", state),
            Route("/sounds", upload, methods=["PUT"]),
            Route("/sounds/{id}", sound),
            Route("/takes", add, methods=["PUT"]),
            Route("/takes/{id}", remove, methods=["DELETE"]),
            Route("/takes/{id}/{name}", file),
            Route("/blind", start_trial, methods=["PUT"]),
            Route("/blind/{id}", vote, methods=["PUT"]),
            Route("/blind/{id}/{letter}", of_trial),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts or "*"))],
        exception_handlers={InputError: refuse, OSError: refuse},
    )


async def _json(request: "Request") -> dict[str, Any]:
    """The keys of a request. Raises an InputError if it has none."""
    try:
        asked = await request.json()
    except ValueError as error:
        raise InputError("the request is not JSON") from error
    if not isinstance(asked, dict):
        raise InputError("the request is not JSON with keys")
    return asked
