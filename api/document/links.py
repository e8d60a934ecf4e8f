"""Where to go from an answer: what was made is used, then deleted, by its id."""

from typing import Any

Link = dict[str, Any]


def _link(operation: str, **parameters: str) -> Link:
    return {"operationId": operation, "parameters": parameters}


def _room(*operations: str) -> dict[str, Link]:
    return {operation: _link(operation, room_id="$response.body#/id") for operation in operations}


def _message(*operations: str) -> dict[str, Link]:
    places = {"room_id": "$request.path.room_id", "message_id": "$response.body#/id"}
    return {operation: _link(operation, **places) for operation in operations}


LINKS: dict[str, dict[str, Link]] = {
    "createRoom": _room(
        *("getRoom", "updateRoom", "listMembers", "sendMessage", "listMessages", "joinRoom", "leaveRoom"),
        *("setRetention", "pollRoom", "deleteRoom"),
    ),
    "sendMessage": _message("getMessage", "editMessage", "deleteMessage"),
    "putUser": {
        operation: _link(operation, user_id="$response.body#/id")
        for operation in ("getUser", "revokeUser", "deleteUser")
    },
    "deleteUser": {"getJob": _link("getJob", job_id="$response.body#/id")},
    "createKey": {operation: _link(operation, key_id="$response.body#/id") for operation in ("rotateKey", "revokeKey")},
    "createSigningKey": {"retireSigningKey": _link("retireSigningKey", key_id="$response.body#/id")},
}
