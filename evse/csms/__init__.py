"""The built-in CSMS of `evse demo` and of the tests: small, strict about schemas, answers everything a station says."""

from evse.csms.ledger import Ledger, Session
from evse.csms.server import SILENCE, Connection, Csms, Message, Refused

__all__ = ["SILENCE", "Connection", "Csms", "Ledger", "Message", "Refused", "Session"]
