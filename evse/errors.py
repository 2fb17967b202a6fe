"""Errors of the charging station, by who is at fault.

    EvseError
    |-- UsageError      the person or program that called us: configuration, command line, API
    |-- CsmsError       the CSMS, or the way to it; carries an RPC error code
    |-- HardwareError   a device of the station; carries an error code such as "ConnectorLockFailure"
    `-- StoreError      the flash: a write that did not happen, a record that cannot be read

A hardware or CSMS fault never ends the process; what is not an EvseError is a broken invariant and does.
"""


class EvseError(Exception):
    """Root of all errors that the station raises on purpose."""


class UsageError(EvseError):
    """The caller asked for something that cannot be: a wrong setting, an unknown EVSE, a bad argument."""


class CsmsError(EvseError):
    """The CSMS refused a call, did not answer it, or sent something that is no OCPP.

    `code` is the RPC error code of the answer ("InternalError", ...), or one of the station's own words
    "Timeout", "Disconnected", "Overflow" where no answer came.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class HardwareError(EvseError):
    """A device did not do what it was told, or reports a fault; `code` is an OCPP error code where one fits."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class StoreError(EvseError):
    """The store could not write or read; what was durable before is still whole."""
