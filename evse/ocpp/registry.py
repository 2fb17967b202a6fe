"""The newcomer's map: which blocks there are, which block answers which action, who hears which fact.

A block is a folder `evse/ocpp/blocks/<name>` with `block.py` (class Block: the rules of the use case), `v16.py` and
`v2.py` (its wire forms). It is loaded when its first action or fact arrives. The station file's `[ocpp.blocks]` names
replacements ("module:Class"); a replaced block keeps the wire forms unless its module has its own.
"""

# Actions that the CSMS may call, by block; one table serves the three versions, as no name means two things.
ACTIONS = {
    "boot": "",
    "authorization": "ClearCache",
    "transactions": "GetTransactionStatus",
    "metering": "",
    "local_list": "GetLocalListVersion SendLocalList",
    "reservation": "CancelReservation ReserveNow",
    "configuration": "ChangeConfiguration GetBaseReport GetConfiguration GetReport GetVariables SetVariables",
    "availability": "ChangeAvailability",
    "remote": "ExtendedTriggerMessage RemoteStartTransaction RemoteStopTransaction RequestStartTransaction"
    " RequestStopTransaction TriggerMessage UnlockConnector",
    "reset": "Reset",
    "smart_charging": "ClearChargingProfile GetChargingProfiles GetCompositeSchedule SetChargingProfile",
    "network": "SetNetworkProfile",
    "data_transfer": "DataTransfer",
    "certificate": "CertificateSigned DeleteCertificate GetInstalledCertificateIds InstallCertificate",
    "firmware": "PublishFirmware SignedUpdateFirmware UnpublishFirmware UpdateFirmware",
    "diagnostics": "GetDiagnostics GetLog",
    "customer_information": "CustomerInformation",
    "security": "",
    "tariff": "",
    "iso15118": "",
}

# Facts that load the blocks which must hear them, in this order.
FACTS = {
    "started": ("security", "boot", "availability"),
    "connected": ("boot", "availability"),
    "accepted": ("availability", "metering"),
    "plugged": ("transactions", "availability"),
    "parking_bay": ("transactions",),
    "token": ("authorization",),
    "authorized": ("transactions", "metering", "availability"),
    "fault": ("availability",),
    "cleared": ("availability",),
}

# Facts that only reach blocks which are loaded already, in this order.
HEARS = {
    "started": ("transactions", "smart_charging", "reservation", "firmware", "diagnostics"),
    "accepted": ("tariff", "firmware", "certificate"),
    "plugged": ("authorization", "smart_charging", "reservation"),
    "authorized": ("smart_charging", "reservation"),
    "unplugged": (
        "transactions", "authorization", "availability", "smart_charging", "reservation", "tariff", "firmware",
    ),
    "charging_state": ("transactions", "availability", "tariff"),
    "power_path": ("transactions", "availability"),
    "reading": ("transactions", "metering", "tariff"),
    "fault": ("transactions", "remote", "security", "reservation"),
    "lock": ("transactions", "remote", "authorization", "availability", "reservation"),
    "stopped": (
        "transactions", "authorization", "reset", "remote", "availability", "smart_charging", "reservation", "firmware",
    ),
    "connection_timeout": (
        "transactions", "authorization", "availability", "reset", "smart_charging", "reservation", "firmware",
    ),
    "transaction_started": ("smart_charging", "metering", "availability", "reservation"),
    "transaction_ended": (
        "smart_charging", "metering", "availability", "reset", "remote", "reservation", "tariff", "firmware",
    ),
    "disconnected": ("boot", "availability", "configuration", "metering", "authorization", "tariff"),
    "restarting": ("authorization",),
    "clock_changed": (
        "metering", "transactions", "security", "smart_charging", "reservation", "firmware", "certificate",
    ),
    "cleared": ("reservation",),
    "availability_changed": ("reservation",),
}  # fmt: skip

# Blocks that a variable switches on: they are there from the start then, before they are first spoken to.
SWITCHED = {"tariff": ("OCPP16Ctrlr", "CustomDisplayCostAndPrice")}

# Messages that TriggerMessage may ask for, by the 2.x name, and who sends them.
TRIGGERS = {
    "BootNotification": "boot",
    "Heartbeat": "boot",
    "StatusNotification": "availability",
    "MeterValues": "metering",
    "TransactionEvent": "transactions",
    "SignChargingStationCertificate": "certificate",
    "SignV2GCertificate": "certificate",
    "SignV2G20Certificate": "certificate",
    "SignCombinedCertificate": "certificate",
    "LogStatusNotification": "diagnostics",
    "DiagnosticsStatusNotification": "diagnostics",
    "FirmwareStatusNotification": "firmware",
    "SignedFirmwareStatusNotification": "firmware",
}


_BLOCK_OF = {action: name for name, actions in ACTIONS.items() for action in actions.split()}


def block_of(action: str) -> str | None:
    """Name of the block that answers `action`, None if no block does."""
    return _BLOCK_OF.get(action)
