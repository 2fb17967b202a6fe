"""The built-in CSMS of `evse demo` and of the tests: small, strict about schemas, answers everything a station says."""

from evse.csms.connection import SILENCE, Connection, Message, Refused
from evse.csms.ledger import Ledger, Session
from evse.csms.server import Csms

__all__ = ["SILENCE", "Connection", "Csms", "Ledger", "Message", "Refused", "Session"]
