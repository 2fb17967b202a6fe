"""evse tag: the cards that may charge at a standalone station."""

from __future__ import annotations

import argparse
from typing import Any

from evse.commands.client import Client, ask, show, socket_path, table
from evse.errors import UsageError


def add(commands: Any, *parents: argparse.ArgumentParser) -> None:
    """evse tag learn|add|list|rm ..."""
    tag = commands.add_parser("tag", help="cards of a standalone station")
    verbs = tag.add_subparsers(metavar="VERB", required=True)
    learn = verbs.add_parser("learn", help="add the next card that is held to a reader", parents=parents)
    learn.add_argument("--name", default="", help="whose card it is")
    learn.add_argument("--wait", type=float, default=30, metavar="S", help="give up after so many seconds (default 30)")
    learn.set_defaults(call=_learn)
    new = verbs.add_parser("add", help="add a card by what is on it", parents=parents)
    new.add_argument("token")
    new.add_argument("--name", default="", help="whose card it is")
    new.set_defaults(call=_add)
    verbs.add_parser("list", help="the cards that may charge", parents=parents).set_defaults(call=_list)
    gone = verbs.add_parser("rm", help="remove a card", parents=parents)
    gone.add_argument("token")
    gone.set_defaults(call=_remove)


def _learn(args: argparse.Namespace) -> int:
    with Client(socket_path(args)) as client:
        client.ask("tags", op="learn", name=args.name, seconds=args.wait)
        for event in client.events():
            if event.get("event") == "tag":
                if event["token"] is None:
                    raise UsageError(
                        f"tag learn: no card within {args.wait:g} s; run it again and hold the card to the reader"
                    )
                return show(args, event, f"learnt {event['token']}")
    raise UsageError("tag learn: the station ended before a card came")


def _add(args: argparse.Namespace) -> int:
    answer = ask(args, "tags", op="add", token=args.token, name=args.name)
    return show(args, answer, f"added {args.token}")


def _list(args: argparse.Namespace) -> int:
    answer = ask(args, "tags", op="list")
    rows = [[tag["token"], tag["name"]] for tag in answer["tags"]]
    return show(args, answer["tags"], table(rows, ["token", "name"]) if rows else "no cards yet: `evse tag learn`")


def _remove(args: argparse.Namespace) -> int:
    answer = ask(args, "tags", op="rm", token=args.token)
    return show(args, answer, f"removed {args.token}")
