"""The OpenAI-shaped hot path: every call is passed on, measured and on disk before its caller has the last byte."""

from tuneloop.gateway.door import Door
from tuneloop.gateway.proxy import Gateway

__all__ = ["Door", "Gateway"]
