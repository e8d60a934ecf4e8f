"""Whoever asks for an address that nobody has costs what one costs that somebody has: told by what is done, not by a clock."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import event

from api.embedded import Servers
from tenants import mails
from tenants.passwords import Passwords
from tenants.people import find_person, sign_up
from tenants.postgres import Postgres
from tests.support.people import People, new_email


async def sign_in(people: People, email: str) -> object:
    return await find_person(people.postgres, people.passwords, email, "a wrong password")


async def sign_up_again(people: People, email: str) -> object:
    wish = {"email": email, "name": "Eve", "password": "another one entirely", "organisation": "Eve & Co"}
    return await sign_up(people.postgres, people.passwords, **wish)


async def forget(people: People, email: str) -> object:
    return await mails.ask_reset(people.postgres, email)


@pytest.fixture
async def people(stores: Servers, postgres: Postgres) -> AsyncIterator[People]:
    passwords = Passwords()
    yield People(postgres, passwords, stores.database_url)
    passwords.close()


@pytest.mark.parametrize("ask", [sign_in, sign_up_again, forget])
async def test_an_unknown_address_costs_the_work_of_a_known_one(
    people: People, ask: Callable[[People, str], Awaitable[object]]
) -> None:
    """The same statements in the same order, and as many hashes."""
    known = (await people.owner()).person.email
    assert await work(people, ask, known) == await work(people, ask, new_email())


async def work(
    people: People, ask: Callable[[People, str], Awaitable[object]], email: str
) -> tuple[list[str], int, int]:
    statements: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    counts = people.passwords.counts
    before = (counts.hashed, counts.verified)
    engines = [people.postgres._pools.people, people.postgres._pools.control, people.postgres._pools.ground]
    for engine in engines:
        event.listen(engine.sync_engine, "before_cursor_execute", hear)
    try:
        await ask(people, email)
    finally:
        for engine in engines:
            event.remove(engine.sync_engine, "before_cursor_execute", hear)
    assert statements
    return statements, counts.hashed - before[0], counts.verified - before[1]
