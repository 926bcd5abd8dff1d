"""Where the edge sends requests to, and how it proves and checks names on the way."""

from __future__ import annotations

from typing import Any

from services.runtime.topology import Topology

Document = dict[str, Any]
_TYPE = "type.googleapis.com/envoy.extensions"
_HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": f"{_TYPE}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {
            "http2_protocol_options": {
                "connection_keepalive": {"interval": "20s", "timeout": "5s"},
                "initial_stream_window_size": 1024 * 1024,
                "initial_connection_window_size": 8 * 1024 * 1024,
            }
        },
    }
}


def service_cluster(topology: Topology, name: str) -> Document:
    """A service of the mesh: mTLS, and only a server whose certificate says it is `name`."""
    process = topology.process(name)
    edge = topology.process("edge")
    return {
        **_cluster(name, process.host, process.port),
        # A chat server's streams are long: what counts is requests and streams, not connections.
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": 64, "max_pending_requests": 4096, "max_requests": 8192, "max_retries": 16}
            ]
        },
        "transport_socket": {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": f"{_TYPE}.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": f"{name}.{topology.trust_domain}",
                "common_tls_context": {
                    "tls_params": {
                        "tls_minimum_protocol_version": "TLSv1_3",
                        "tls_maximum_protocol_version": "TLSv1_3",
                    },
                    "tls_certificates": [
                        {
                            "certificate_chain": {"filename": str(edge.certificate_file)},
                            "private_key": {"filename": str(edge.key_file)},
                        }
                    ],
                    "validation_context": {
                        "trusted_ca": {"filename": str(topology.ca_file)},
                        "match_typed_subject_alt_names": [
                            {"san_type": "URI", "matcher": {"exact": f"spiffe://{topology.trust_domain}/{name}"}}
                        ],
                    },
                },
            },
        },
    }


def collector_cluster(topology: Topology) -> Document:
    """Where Envoy's own spans go; plain on loopback."""
    return _cluster("collector", topology.collector.host, topology.collector.otlp_grpc)


def _cluster(name: str, host: str, port: int) -> Document:
    address = {"address": {"socket_address": {"address": host, "port_value": port}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": _HTTP2,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": address}]}]},
    }
