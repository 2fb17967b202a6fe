"""Wire forms of the local authorization list in 1.6, whose tokens have no kind."""

from __future__ import annotations

from evse.ocpp.v16 import token_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _list(payload: dict[str, Any]) -> dict[str, Any]:
    request = {"versionNumber": payload["listVersion"], "updateType": payload["updateType"]}
    request["localAuthorizationList"] = [_item(item) for item in payload.get("localAuthorizationList", ())]
    return request


def _item(item: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"idToken": {"idToken": item["idTag"], "type": ""}}
    if "idTagInfo" in item:
        said["idTokenInfo"] = token_info(item["idTagInfo"])
    return said


def _listed(answer: dict[str, Any]) -> dict[str, Any]:
    """UpdateStatus; NotSupported for a list that is not in use. [1.6 §7.47]"""
    not_enabled = answer.get("statusInfo", {}).get("reasonCode") == "NotEnabled"
    return {"status": "NotSupported" if not_enabled else answer["status"]}


def _conflict(data: dict[str, Any], ctx: Any) -> dict[str, Any] | None:
    """The status of the charge point as it is, with this error. [1.6 §3.5.2]"""
    availability = ctx.block("availability")
    if availability is None:
        return None
    status = ctx.dialect("availability").reports(availability)[0, 0]["status"]
    return {"connectorId": 0, "status": status, "errorCode": "LocalListConflict"}


# Feature profile of an action, where that is not Core. [1.6 §3.2]
PROFILES = dict.fromkeys(("GetLocalListVersion", "SendLocalList"), "LocalAuthListManagement")
CALLS = {
    "GetLocalListVersion": ("contents_version", None, lambda answer: {"listVersion": answer["versionNumber"]}),
    "SendLocalList": ("send_list", _list, _listed),
}
EVENTS = {"LocalListConflict": ("StatusNotification", _conflict, None)}
RECORDS: dict[str, Any] = {}
