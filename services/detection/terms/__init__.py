"""Term lists: exact evidence with a place in the text, everybody's and each tenant's own; works when every model is down."""

from services.detection.terms.lists import Terms
from services.detection.terms.matcher import Hit

__all__ = ["Hit", "Terms"]
