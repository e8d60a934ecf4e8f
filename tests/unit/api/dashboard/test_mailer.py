"""Mail: over a server as it speaks, and what becomes of a mail that cannot be sent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from email import message_from_string
from email.policy import default

import pytest

from api.dashboard.mailer import MAX_WAITING, Mail, Mailer


class Server:
    """Takes mails in by SMTP, as little of it as there must be."""

    def __init__(self, *, refuses: int = 0) -> None:
        self.refuses = refuses
        self.mails: asyncio.Queue[str] = asyncio.Queue()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line.split()[0].upper()
            if verb == b"MAIL" and self.refuses:
                self.refuses -= 1
                writer.write(b"550 no\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.mails.put_nowait((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(b"250 taken\r\n")
            else:
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 well\r\n")
        writer.close()


@contextlib.asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Mailer]:
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        mailer = Mailer(f"smtp://127.0.0.1:{port}?from=chat@example.com")
        running = asyncio.create_task(mailer.run())
        try:
            yield mailer
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def test_a_mail_arrives_as_it_was_written() -> None:
    """From the sender that the URL names, with its subject and its text."""
    server = Server()
    async with serving(server) as mailer, asyncio.timeout(10):
        mailer.post(Mail("ann@example.com", "Grüße", "Here:\nhttps://example.com/reset/abc\n"))
        message = message_from_string(await server.mails.get(), policy=default)
    assert (message["From"], message["To"], message["Subject"]) == ("chat@example.com", "ann@example.com", "Grüße")
    assert "https://example.com/reset/abc" in message.get_content()


async def test_a_mail_that_is_refused_holds_up_no_other() -> None:
    """It is lost, and the next one goes out."""
    server = Server(refuses=1)
    async with serving(server) as mailer, asyncio.timeout(10):
        mailer.post(Mail("ann@example.com", "first", "-"))
        mailer.post(Mail("ann@example.com", "second", "-"))
        assert "second" in await server.mails.get()


async def test_more_mails_than_may_wait_are_dropped() -> None:
    """Nobody who posts one waits, however many there are."""
    mailer = Mailer(None)
    for _ in range(MAX_WAITING + 1):
        mailer.post(Mail("ann@example.com", "s", "t"))


@pytest.mark.parametrize("url", ["smtp://user:secret@mail.example.com", None])
def test_a_mailer_shows_no_password(url: str | None) -> None:
    """What is logged of it has none."""
    assert "secret" not in repr(Mailer(url))
