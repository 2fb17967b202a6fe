"""Tests that ask the system's resolver for localhost: a bare Debian root has no /etc/hosts to answer from."""

from __future__ import annotations

import socket

import pytest


def _known() -> bool:
    try:
        return bool(socket.getaddrinfo("localhost", 80, socket.AF_INET))
    except socket.gaierror:
        return False


needs_localhost = pytest.mark.skipif(not _known(), reason="this system's resolver does not know localhost")
