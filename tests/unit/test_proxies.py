"""Proxies come from the environment, and never stand between us and this machine."""

from __future__ import annotations

import pytest

from tuneloop.proxies import proxy_for


def test_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3129")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    assert proxy_for("https://api.example/v1") == "http://proxy.example:3128"
    assert proxy_for("http://api.example/v1") == "http://proxy.example:3129"
    assert proxy_for("https://inside.example/v1") is None
    assert proxy_for("http://127.0.0.1:8081/v1") is None
