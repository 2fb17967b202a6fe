"""For the tests of the hardware: no example has a deadline, since a busy machine takes a second for any of them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("hardware", deadline=None)
settings.load_profile("hardware")
