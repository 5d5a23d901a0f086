"""OpenTelemetry spans of the stages that Server-Timing names, where an OTLP endpoint is set.

The standard variables decide (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER ...):
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import os
import time
from collections.abc import Mapping

from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Trace:
    """Sends the spans of completed requests, in the background."""

    def __init__(self) -> None:
        # Imported only where an endpoint is set: they cost memory and time at start.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        name = os.environ.get("OTEL_SERVICE_NAME", "glimpse")
        provider = TracerProvider(resource=Resource.create({"service.name": name}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._provider = provider
        self._tracer = provider.get_tracer("glimpse")

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def __call__(
        self,
        call: str,
        status: int,
        request_id: str,
        headers: Mapping[bytes, bytes],
        stages: Mapping[str, float],
        total: float,
    ) -> None:
        """Send the spans of one request that has just ended.

        Args:
            call: Its path.
            status: Of the response.
            request_id: As in the response.
            headers: Of the request; a traceparent among them makes these spans part of the client's trace.
            stages: Seconds by stage.
            total: Seconds of the whole request.
        """
        end = time.time_ns()
        start = end - round(1e9 * total)
        parent = extract({name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()})
        attributes: dict[str, str | int] = {
            "http.request.method": "POST",
            "http.route": call,
            "http.response.status_code": status,
            "glimpse.request_id": request_id,
        }
        span = self._tracer.start_span(f"POST {call}", parent, SpanKind.SERVER, attributes, start_time=start)
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        context = set_span_in_context(span)
        # Only durations were measured, so the stages are laid end to end: they ran one after the other, with
        # short gaps.
        for stage, seconds in stages.items():
            child = self._tracer.start_span(stage, context, start_time=start)
            start += round(1e9 * seconds)
            child.end(start)
        span.end(end)


def open_trace() -> Trace | None:
    """The trace that the environment asks for; None where no endpoint is set."""
    return Trace() if any(os.environ.get(name) for name in ENDPOINTS) else None
