"""A station under test with a certificate store, and an operator's authority that signs for it.

station = Certified("2.0.1")                        booted; the operator's root is installed
csr = station.trigger()                             TriggerMessage: the CSR that follows
station.signed(station.sign(csr))                   CertificateSigned: the answer
station.renew()                                     all of it, accepted
"""

from __future__ import annotations

import time
from typing import Any

from tests.support import signing
from tests.support.bench import Bench, FakeClock
from tests.support.certificates import Certificate
from tests.support.jobsdone import JobsDone

ACCEPTED = {"status": "Accepted"}
CS, V2G = "ChargingStationCertificate", "V2GCertificate"
CSMS_ROOT = {"1.6": "CentralSystemRootCertificate", "2.0.1": "CSMSRootCertificate", "2.1": "CSMSRootCertificate"}
INTERVAL_S = 100_000_000  # few heartbeats between
QUIET = {"availability": "", "metering": ""}
PROFILE_3 = {"component": "SecurityCtrlr", "variable": "SecurityProfile", "value": "3"}


class Certified:
    """See the module's text. Answers of 1.6 and 2.x differ only where the specification does."""

    def __init__(self, version: str, *variables: dict[str, Any], profile: int = 3, **station: Any) -> None:
        self.version = version
        own = {**PROFILE_3, "value": str(profile)}
        self.bench = Bench(blocks=QUIET, clock=FakeClock(utc=time.time()), variables=[own, *variables], station=station)
        self.bench.connect(version, INTERVAL_S)
        self.jobs = JobsDone(self.bench)
        self.root = Certificate("Operator Root", ca=True, days=(-100, 1000))
        self.request_id: int | None = None
        assert self.install(self.root) == ACCEPTED
        self.rest()

    def rest(self) -> list[tuple[str, dict[str, Any]]]:
        """All jobs done, all that the station says answered."""
        self.bench.advance(0)
        said = self.bench.settle()
        while self.jobs.run():
            said += self.bench.settle()
        return said

    def ask(self, action: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """A CALL of the CSMS: the answer without statusInfo, which may be there only where something is refused."""
        answer = self.jobs.ask(action, payload)
        info = answer.pop("statusInfo", None)
        assert info is None or (self.version != "1.6" and answer["status"] not in ("Accepted", "NotFound"))
        return answer

    # -- roots ---------------------------------------------------------------------------------------------------------

    def kind(self, kind: str) -> str:
        return CSMS_ROOT[self.version] if kind == "CSMSRootCertificate" else kind

    def install(self, root: Certificate | str, kind: str = "CSMSRootCertificate") -> dict[str, Any]:
        text = root if isinstance(root, str) else root.pem()
        return self.ask("InstallCertificate", {"certificateType": self.kind(kind), "certificate": text})

    def delete(self, hash_data: dict[str, str]) -> dict[str, Any]:
        return self.ask("DeleteCertificate", {"certificateHashData": hash_data})

    def ids(self, *kinds: str) -> dict[str, Any]:
        """GetInstalledCertificateIds; one type in 1.6."""
        if self.version == "1.6":
            (kind,) = kinds
            return self.ask("GetInstalledCertificateIds", {"certificateType": self.kind(kind)})
        return self.ask("GetInstalledCertificateIds", {"certificateType": list(kinds)} if kinds else {})

    def hashes(self, *kinds: str) -> list[dict[str, str]]:
        """The hash data of those installed."""
        answer = self.ids(*kinds)
        if self.version == "1.6":
            return answer.get("certificateHashData", [])  # type: ignore[no-any-return]
        return [chain["certificateHashData"] for chain in answer.get("certificateHashDataChain", [])]

    # -- the station's own ---------------------------------------------------------------------------------------------

    def trigger(self, message: str = "SignChargingStationCertificate", **more: Any) -> str:
        """TriggerMessage, accepted, and the CSR that follows; its answer is due."""
        assert self.triggered(message, **more) == ACCEPTED
        self.jobs.run()
        return self.request()

    def triggered(self, message: str = "SignChargingStationCertificate", **more: Any) -> dict[str, Any]:
        action = "ExtendedTriggerMessage" if self.version == "1.6" else "TriggerMessage"
        message = "SignChargePointCertificate" if self.version == "1.6" else message
        return self.ask(action, {"requestedMessage": message, **more})

    def request(self) -> str:
        """The SignCertificate that the station says now: its CSR."""
        while self.bench.sent and self.bench.sent[0][2] == "Heartbeat":
            self.bench.expect("Heartbeat")
            self.bench.answer(self.bench.usual("Heartbeat"))
        said = self.bench.expect("SignCertificate")
        assert ("certificateType" in said) == (self.version != "1.6")
        assert ("requestId" in said) == (self.version == "2.1")
        self.request_id = said.get("requestId")
        self.use = said.get("certificateType", CS)
        text: str = said["csr"]
        signing.read(text)
        return text

    def sign(self, csr: str, issuer: Certificate | None = None, **how: Any) -> str:
        return signing.sign(csr, issuer or self.root, utc=self.bench.time.utc, **how)

    def signed(self, chain: str, use: str | None = CS, **more: Any) -> dict[str, Any]:
        payload: dict[str, Any] = {"certificateChain": chain}
        if self.version != "1.6" and use is not None:
            payload["certificateType"] = use
        if self.version == "2.1":
            payload["requestId"] = self.request_id
        return self.ask("CertificateSigned", {**payload, **more})

    def renew(self, **how: Any) -> str:
        """RenewChargingStationCertificate: the signed certificate."""
        csr = self.trigger()
        self.bench.answer(ACCEPTED)
        text = self.sign(csr, **how)
        assert self.signed(text) == ACCEPTED
        self.rest()
        return text

    def events(self, said: list[tuple[str, dict[str, Any]]]) -> list[str]:
        """Types of the security events among what was said."""
        return [payload["type"] for action, payload in said if action == "SecurityEventNotification"]
