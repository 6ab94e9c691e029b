"""How the service does: /metrics /health /ready."""

from __future__ import annotations

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from prometheus_client.exposition import choose_encoder
from pydantic_core import to_json

from . import prometheus
from .document import Health, Metrics, Ready, responses
from .endpoint import JSON, agent
from .errors import NotReady

api = APIBlueprint(
    "service", __name__, abp_tags=[Tag(name="Service", description="How the service does.")]
)

_METRICS = responses(200, Metrics, 503)
_METRICS[200]["content"] |= {
    "text/plain": {"schema": {"type": "string"}},
    "application/openmetrics-text": {"schema": {"type": "string"}},
}
_EXPOSITION = {"text/plain", "text/*", "application/openmetrics-text"}


@api.get("/metrics", operation_id="metrics", summary="Get the figures now", responses=_METRICS)
def metrics() -> Response:
    """JSON, or the Prometheus exposition where the Accept header asks for it."""
    if _asks_exposition():
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(prometheus.Figures(agent().metrics())), content_type=content_type)
    return Response(to_json(agent().metrics(), inf_nan_mode="null"), mimetype=JSON)


def _asks_exposition() -> bool:
    """Say whether the best of what the caller accepts is an exposition; JSON where it is open."""
    for accepted, _ in request.accept_mimetypes:
        kind = accepted.partition(";")[0].strip().lower()
        if kind in _EXPOSITION:
            return True
        if kind in {JSON, "application/*", "*/*"}:
            return False
    return False


@api.get(
    "/health",
    operation_id="health",
    summary="See that the process answers",
    responses=responses(200, Health),
)
def health() -> Response:
    """Touches nothing else, so a slow store never makes a watchdog end the process."""
    return Response(b'{"status":"ok"}', mimetype=JSON)


@api.get(
    "/ready",
    operation_id="ready",
    summary="See that every part works",
    responses=responses(200, Ready, 503),
)
def ready() -> Response:
    """With 503 the problem has the same `parts`, so that the broken one is seen."""
    works, parts = agent().ready()
    if not works:
        raise NotReady(parts)
    return Response(to_json({"ready": True, "parts": parts}), mimetype=JSON)
