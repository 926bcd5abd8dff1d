"""What every service runs on: server, clients, identity, errors, settings, telemetry. Knows no moderation noun."""
