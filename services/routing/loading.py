"""Finds the policy to decide by: the file, else the last one that was good."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from services.routing.document import PolicyDocument
from services.routing.policy import BadPolicy, Policy
from services.runtime.logs import log

_LAST_GOOD = "last_good.yaml"


def load(path: Path) -> Policy:
    """Reads, checks and tests a policy. Raises BadPolicy, which names the file, the place and the mistake."""
    try:
        return Policy(PolicyDocument.model_validate(yaml.safe_load(path.read_text())))
    except (OSError, yaml.YAMLError, ValidationError, BadPolicy) as error:
        raise BadPolicy(f"{path}: {error}") from error


def load_or_last_good(path: Path, state_dir: Path) -> Policy:
    """As `load`; when the file has gone bad since the last start, the last good one decides, loudly. Raises BadPolicy
    when there is none."""
    last_good = state_dir / _LAST_GOOD
    try:
        policy = load(path)
    except BadPolicy as error:
        if not last_good.exists():
            raise
        log.error("policy_bad_last_good_used", error=str(error))
        return load(last_good)
    temporary = last_good.with_suffix(".new")
    temporary.write_text(path.read_text())
    temporary.replace(last_good)
    return policy
