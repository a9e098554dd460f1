"""``python -m lab users``: who may use a shared lab; see ``lab/store/users.py``. The running app sees a change at once."""

from __future__ import annotations

import argparse
import getpass
import sys

from lab.commands.arguments import add_home, add_json, explained, heads, settings_of
from lab.commands.printing import day, print_json, print_table
from lab.errors import InputError
from lab.store.users import LEVELS, Registered, Users
from lab.words import say, system_locale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One action, and its own arguments; without one, who there is."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listed = actions.add_parser("list", help=explained("users.action_list"), allow_abbrev=False)
    add_json(listed)
    added = actions.add_parser("add", help=explained("users.action_add"), allow_abbrev=False)
    added.add_argument("name", metavar="NAME")
    added.add_argument("--access", choices=tuple(LEVELS), required=True, help=explained("users.access"))
    access = actions.add_parser("access", help=explained("users.action_access"), allow_abbrev=False)
    access.add_argument("name", metavar="NAME")
    access.add_argument("access", choices=tuple(LEVELS))
    for action in ("password", "remove"):
        help_text = explained(f"users.action_{action}")
        actions.add_parser(action, help=help_text, allow_abbrev=False).add_argument("name", metavar="NAME")
    parser.set_defaults(action="list")
    listed.set_defaults(json=argparse.SUPPRESS)  # else it would undo what stands before the action
    for parsed in actions.choices.values():
        add_home(parsed)
        parsed.set_defaults(home=argparse.SUPPRESS)  # for the same reason


def run(arguments: argparse.Namespace) -> int:
    """0, or an InputError or StateError that says what is wrong with the name or the password."""
    users, action = Users(settings_of(arguments).home), arguments.action
    if action == "list":
        _list(users.all(), as_json=arguments.json)
        return 0
    if action == "add":
        users.check_free(arguments.name)  # before a password is asked for in vain
        user = users.add(arguments.name, LEVELS[arguments.access], _password())
    elif action == "access":
        user = users.change(arguments.name, access=LEVELS[arguments.access])
    elif action == "password":
        users.known(arguments.name)
        user = users.change(arguments.name, password=_password())
    else:
        user = users.remove(arguments.name)
    print(
        say(
            f"cli.user_{action}",
            system_locale(),
            name=user.name,
            access=say(f"page.access_{user.access.word}", system_locale()),
        )
    )
    return 0


def _list(users: tuple[Registered, ...], *, as_json: bool) -> None:
    if as_json:
        rows = [{"id": u.id, "name": u.name, "access": u.access.word, "created": u.created} for u in users]
        print_json({"users": rows})
    elif not users:
        print(say("cli.no_users", system_locale()))
    else:
        locale = system_locale()
        told = [(u.name, say(f"page.access_{u.access.word}", locale), day(u.created, "%Y-%m-%d"), u.id) for u in users]
        print_table(heads("users", "name", "access", "since", "id"), told)


def _password() -> str:
    """Asked for twice on a terminal, else the first line of standard input; never an argument, which others can see."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    locale = system_locale()
    first = getpass.getpass(say("cli.password", locale))
    if getpass.getpass(say("cli.password_again", locale)) != first:
        raise InputError("passwords_differ")
    return first
