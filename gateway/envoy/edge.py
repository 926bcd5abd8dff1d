"""The edge as Envoy sees it: one TLS listener, tokens verified, public services routed, nothing else reachable.

Pure: topology in, Envoy's bootstrap document out.
"""

from __future__ import annotations

from typing import Any

from gateway.envoy.tokens import CLAIM_HEADERS, HEALTH, authorisation_filter, jwt_filter
from gateway.envoy.upstreams import collector_cluster, service_cluster
from services.runtime.topology import Topology

Document = dict[str, Any]

ROUTES = {
    "moat.moderation.v1.ModerationService": "gateway",
    "moat.enforcement.v1.EnforcementService": "enforcement",
    "moat.audit.v1.AuditService": "audit",
}
"""The public services and the processes that serve them. What is not here cannot be reached from outside."""

MAX_REQUEST_BYTES = 6 * 1024 * 1024
"""Room for a picture of 4 MiB in JSON, as base64."""
_TYPE = "type.googleapis.com/envoy.extensions"


def bootstrap(topology: Topology, descriptor_set: str) -> Document:
    """The whole document. `descriptor_set` is the path of a FileDescriptorSet of the public services, for JSON."""
    return {
        "node": {"id": "edge", "cluster": "edge"},
        "admin": {"address": _socket(topology.edge.host, topology.edge.admin)},
        "static_resources": {
            "listeners": [_listener(topology, descriptor_set)],
            "clusters": [
                *(service_cluster(topology, name) for name in sorted(set(ROUTES.values()))),
                collector_cluster(topology),
            ],
        },
        # More connections than this would take the machine's memory before they took its processor.
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_TYPE}.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 4096,
                    },
                }
            ]
        },
    }


def _socket(host: str, port: int) -> Document:
    return {"socket_address": {"address": host, "port_value": port}}


def _listener(topology: Topology, descriptor_set: str) -> Document:
    return {
        "name": "edge",
        "address": _socket(topology.edge.host, topology.edge.port),
        # Also how much of a JSON request can be translated.
        "per_connection_buffer_limit_bytes": MAX_REQUEST_BYTES,
        "filter_chains": [
            {
                "transport_socket": _downstream_tls(topology),
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": _connection_manager(topology, descriptor_set),
                    }
                ],
            }
        ],
    }


def _downstream_tls(topology: Topology) -> Document:
    edge = topology.process("edge")
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TYPE}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                # Both ends: with a minimum alone Envoy's own maximum for servers is TLS 1.2 in some builds.
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [
                    {
                        "certificate_chain": {"filename": str(edge.certificate_file)},
                        "private_key": {"filename": str(edge.key_file)},
                    }
                ],
            },
        },
    }


def _connection_manager(topology: Topology, descriptor_set: str) -> Document:
    return {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "codec_type": "AUTO",
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST", "idle_timeout": "3600s"},
        "http2_protocol_options": {
            "max_concurrent_streams": 1024,
            "initial_stream_window_size": 1024 * 1024,
            "initial_connection_window_size": 8 * 1024 * 1024,
        },
        # Streams of chat servers live for hours; what must end is ended by deadlines and token expiry.
        "stream_idle_timeout": "0s",
        "request_headers_timeout": "10s",
        "early_header_mutation_extensions": [_forget_claims()],
        **({"tracing": _tracing(topology)} if topology.traces.keep_share else {}),
        "access_log": [_access_log()],
        "http_filters": _filters(topology, descriptor_set),
        "route_config": _routes(topology),
    }


def _tracing(topology: Topology) -> Document:
    """Envoy's own spans: this share of all traces, chosen by trace id, whatever the caller's sampled flag says (an SDK
    always sets it: it cannot know yet what will be worth keeping)."""
    samplers = "envoy.tracers.opentelemetry.samplers"
    share = {"numerator": round(topology.traces.keep_share * 1_000_000), "denominator": "MILLION"}
    return {
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "grpc_service": {"envoy_grpc": {"cluster_name": "collector"}, "timeout": "1s"},
                "service_name": "edge",
                "sampler": {
                    "name": f"{samplers}.trace_id_ratio_based",
                    "typed_config": {
                        "@type": f"{_TYPE}.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig",
                        "sampling_percentage": share,
                    },
                },
            },
        },
    }


def _access_log() -> Document:
    """Ids, codes and times; no header that a caller could put content in."""
    return {
        "name": "envoy.access_loggers.stdout",
        "filter": {
            "status_code_filter": {
                "comparison": {"op": "GE", "value": {"default_value": 400, "runtime_key": "edge.access_log_from"}}
            }
        },
        "typed_config": {
            "@type": f"{_TYPE}.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {
                "json_format": {
                    "event": "edge_request",
                    "timestamp": "%START_TIME%",
                    "route": "%ROUTE_NAME%",
                    "code": "%RESPONSE_CODE%",
                    "grpc_status": "%GRPC_STATUS%",
                    "flags": "%RESPONSE_FLAGS%",
                    "duration_ms": "%DURATION%",
                    "trace_id": "%TRACE_ID%",
                }
            },
        },
    }


def _forget_claims() -> Document:
    """What only a verified token may say, a caller cannot say, whatever the token leaves out."""
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{_TYPE}.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [{"remove": header} for header in CLAIM_HEADERS.values()],
        },
    }


def _filters(topology: Topology, descriptor_set: str) -> list[Document]:
    """In order: cheap refusals first, then the token, then who may pass, then translation, then the route."""
    return [
        _local_limit(),
        _filter("cors", "cors.v3.Cors"),
        _filter("grpc_web", "grpc_web.v3.GrpcWeb"),
        jwt_filter(topology),
        authorisation_filter(),
        _transcoder(descriptor_set),
        _filter("router", "router.v3.Router"),
    ]


def _filter(name: str, kind: str) -> Document:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": f"{_TYPE}.filters.http.{kind}"}}


def _local_limit() -> Document:
    """A ceiling on calls, far above honest use; shares of tenants are the gateway's business."""
    return {
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": f"{_TYPE}.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "edge",
            "token_bucket": {"max_tokens": 20000, "tokens_per_fill": 20000, "fill_interval": "1s"},
            "filter_enabled": {"default_value": {"numerator": 100}},
            "filter_enforced": {"default_value": {"numerator": 100}},
            "rate_limited_as_resource_exhausted": True,
        },
    }


def _transcoder(descriptor_set: str) -> Document:
    return {
        "name": "envoy.filters.http.grpc_json_transcoder",
        "typed_config": {
            "@type": f"{_TYPE}.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
            "proto_descriptor": descriptor_set,
            "services": sorted(ROUTES),
            # POST /moat.moderation.v1.ModerationService/Moderate with a JSON body.
            "auto_mapping": True,
            "convert_grpc_status": True,
            "request_validation_options": {"reject_unknown_method": True, "reject_unknown_query_parameters": True},
            "print_options": {"preserve_proto_field_names": True},
        },
    }


def _routes(topology: Topology) -> Document:
    return {
        "name": "public",
        "request_headers_to_add": [
            {
                "header": {"key": "x-moat-edge-start", "value": "%START_TIME(%s.%6f)%"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
        "virtual_hosts": [
            {
                "name": "public",
                "domains": ["*"],
                "routes": [
                    *(_route(service, process) for service, process in ROUTES.items()),
                    _route(HEALTH, "gateway"),
                ],
                "typed_per_filter_config": {"envoy.filters.http.cors": _cors(topology)},
            }
        ],
    }


def _cors(topology: Topology) -> Document:
    """Which web pages may call by gRPC-Web; none unless the topology says so."""
    return {
        "@type": f"{_TYPE}.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin} for origin in topology.edge.origins],
        "allow_methods": "POST",
        "allow_headers": "authorization,content-type,grpc-timeout,traceparent,x-grpc-web,x-user-agent",
        "expose_headers": "grpc-status,grpc-message,grpc-status-details-bin",
        "max_age": "600",
    }


def _route(service: str, process: str) -> Document:
    return {
        "name": service,
        # No `grpc: {}` here: it would turn away gRPC-Web and preflight requests.
        "match": {"prefix": f"/{service}/"},
        "route": {
            "cluster": process,
            # The caller's grpc-timeout is the only clock; 0 s is "no other".
            "timeout": "0s",
            "max_stream_duration": {"grpc_timeout_header_max": "0s"},
        },
    }
