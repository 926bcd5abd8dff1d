"""The pages: recent decisions, and one decision's waterfall. Read-only, on loopback, without any outside request."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from console.otlp import Receiver
from console.spans import SpanStore
from console.waterfall import rows_of

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_RECENT = 200


def page_app(store: SpanStore) -> Starlette:
    """The pages' application. A Host header of another name is refused, so that no web page can read it by DNS tricks."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape(default=True)
    )

    async def index(request: Request) -> Response:
        outcome = request.query_params.get("outcome", "")
        spans = [s for s in store.recent(_RECENT) if not outcome or s.attributes.get("moat.outcome") == outcome]
        return HTMLResponse(templates.get_template("index.html").render(spans=spans, outcome=outcome))

    async def decision(request: Request) -> Response:
        decision_id = request.path_params["decision_id"]
        rows = rows_of(store.of_decision(decision_id))
        page = templates.get_template("decision.html").render(decision_id=decision_id, rows=rows)
        return HTMLResponse(page, status_code=200 if rows else 404)

    async def decision_json(request: Request) -> Response:
        spans = store.of_decision(request.path_params["decision_id"])
        return JSONResponse({"spans": [dataclasses.asdict(span) for span in spans]}, 200 if spans else 404)

    routes = [
        Route("/", index),
        Route("/decisions/{decision_id}", decision),
        Route("/api/decisions/{decision_id}", decision_json),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"])
    return Starlette(routes=routes, middleware=[hosts, Middleware(BaseHTTPMiddleware, dispatch=_protect)])


def receiver_app(receiver: Receiver) -> Starlette:
    """OTLP over HTTP."""
    return Starlette(routes=[Route("/v1/traces", receiver.export_http, methods=["POST"])])


async def _protect(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    response.headers.update(_HEADERS)
    return response
