"""The Debian package on ARM, by qemu-user: 64-bit, 32-bit, and the ARM9 of an i.MX28. Runs where EVSE_ARM is set.

Then what is missing is a failure. Fetches 60 MB an architecture once; half a minute to two minutes each.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import armroot

pytestmark = pytest.mark.slow
MACHINES = {"arm64": "aarch64", "armhf": "armv7l", "armel": "armv5tejl"}
CSR = (
    "from cryptography import x509; from cryptography.hazmat.primitives import hashes;"
    "from cryptography.hazmat.primitives.asymmetric import ec; key = ec.generate_private_key(ec.SECP256R1());"
    "x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256());"
    "import platform; print(platform.machine())"
)


@pytest.fixture(params=sorted(MACHINES))
def root(request: pytest.FixtureRequest) -> Path:
    if not os.environ.get("EVSE_ARM"):
        pytest.skip("EVSE_ARM is not set")
    return armroot.build(request.param)


def test_a_whole_session(root: Path) -> None:
    done = armroot.run(root, "evse", "demo")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "A whole session" in done.stdout.splitlines()[-1]


def test_outputs_off_and_certificates(root: Path) -> None:
    done = armroot.run(root, "evse-outputs-off", "--board", "simulated-ac-1")
    assert done.returncode == 0, done.stderr
    done = armroot.run(root, "python3", "-c", CSR)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(MACHINES[root.name.rpartition("-")[2]][:5])
