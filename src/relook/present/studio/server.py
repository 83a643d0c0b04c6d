"""The studio as a program: a local server with the page, for the browsers that may see it."""

from __future__ import annotations

import logging
from secrets import compare_digest, token_urlsafe
from threading import Thread
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from relook.heif import know_heif
from relook.present.studio.page import FOLDER, THEME, Page
from relook.present.studio.project import MEGABYTES
from relook.present.studio.signature import FOLDER as SIGNATURE
from relook.present.studio.work import Studio

COOKIE = "relook_token"
LOCAL = ("127.0.0.1", "localhost", "[::1]")
"""Names under which a browser on this machine asks; others are refused, so that no other site can have a browser ask."""
PAGES = 200
"""Pages of which the server remembers what they show, some megabytes each."""
log = logging.getLogger("relook")


class Token:
    """Lets in who knows the token: once in the address (?token=...), then as a cookie."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        if compare_digest(asked.cookies.get(COOKIE, "").encode(), self.token.encode()):
            await self.app(scope, receive, send)
        elif compare_digest(asked.query_params.get("token", "").encode(), self.token.encode()):
            answer: Any = RedirectResponse(str(asked.url.remove_query_params("token")), status_code=303)
            answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            await answer(scope, receive, send)
        else:
            await PlainTextResponse("Open the address that relook studio printed: it holds a token.", 403)(
                scope, receive, send
            )


def application(studio: Studio, *, token: str | None = None, hosts: tuple[str, ...] = LOCAL) -> FastAPI:
    """The page as an ASGI application. token: asked for unless it is None. hosts: names that a browser may use."""
    know_heif()  # the drop zones look into files too
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    page = Page(studio)
    page.blocks.state_session_capacity = PAGES
    page.blocks.queue(api_open=False, default_concurrency_limit=4, max_size=64)
    gr.mount_gradio_app(
        app, page.blocks, path="/", footer_links=[], run_history=False, max_file_size=MEGABYTES * 10**6, theme=THEME, ssr_mode=False,
        css_paths=FOLDER / "style.css", js=(FOLDER / "names.js").read_text(encoding="utf-8"), head=f"<script>{(FOLDER / 'choices.js').read_text(encoding='utf-8')}</script>",
        allowed_paths=[str(studio.projects.root)], blocked_paths=[str(studio.projects.root / SIGNATURE)], show_error=True, enable_monitoring=False, pwa=False,
    )  # fmt: skip
    page.blocks.config["connect_heartbeat"] = False  # a second stream of every page; see `stay_open`
    if token is not None:
        app.add_middleware(Token, token=token)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    return app


class Server:
    """Runs an application in a thread until it is closed; `url` is where."""

    def __init__(self, studio: Studio, host: str = "127.0.0.1", port: int = 7860) -> None:
        local = host in ("127.0.0.1", "localhost", "::1")
        token = None if local else token_urlsafe(24)
        app = application(studio, token=token, hosts=LOCAL if local else ("*",))
        self._server = uvicorn.Server(
            uvicorn.Config(app, host, port, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        )
        self._thread = Thread(target=self._server.run, daemon=True)
        self.url = f"http://{host}:{port}/" + ("" if token is None else f"?token={token}")

    def __enter__(self) -> Server:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            self._thread.join(0.02)
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.should_exit = True
        self._thread.join(5)

    def wait(self) -> None:
        """Until the server stops."""
        while self._thread.is_alive():
            self._thread.join(0.5)
