"""Mail out: taken in at once, sent one after the other by a task of its own.

So that no answer takes longer because a mail is sent with it, which would tell whether an address has an account.
"""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

import structlog

MAX_WAITING = 1_000
"""Mails that wait to be sent; those beyond are dropped, and the log says so."""
TIMEOUT_S = 10.0
"""Of each step that a mail server is asked for."""
SUBMISSION_PORT, TLS_PORT = 587, 465

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to somebody."""

    to: str
    subject: str
    text: str


class Mailer:
    """Sends mail through a server, or without one writes it into the log, for whoever tries the service out."""

    def __init__(self, smtp_url: str | None) -> None:
        """Send by `smtp_url`: `smtp://` (TLS once connected) or `smtps://`, with user, password and port if need be.

        Its query names the sender: `?from=chat@example.com`; otherwise it is `roomlog` at that host.
        """
        self._url = smtp_url
        parts = urlsplit(smtp_url or "")
        self._sender = parse_qs(parts.query).get("from", [f"roomlog@{parts.hostname or 'localhost'}"])[0]
        self._waiting: asyncio.Queue[Mail] = asyncio.Queue(MAX_WAITING)

    def post(self, mail: Mail) -> None:
        """Take a mail in."""
        try:
            self._waiting.put_nowait(mail)
        except asyncio.QueueFull:
            log.warning("mail_dropped", subject=mail.subject)

    async def run(self) -> None:
        """Send what is taken in until cancelled; a mail that cannot be sent is lost, and its reader asks for another."""
        while True:
            mail = await self._waiting.get()
            if self._url is None:
                log.info("mail", to=mail.to, subject=mail.subject, text=mail.text)
                continue
            try:
                await asyncio.to_thread(_send, self._url, self._message(mail))
            except (OSError, smtplib.SMTPException) as error:
                log.warning("mail_not_sent", subject=mail.subject, error=repr(error))

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, mail.to, mail.subject
        message.set_content(mail.text)
        return message


def _send(url: str, message: EmailMessage) -> None:
    """Send one mail; a password is given over TLS alone."""
    parts = urlsplit(url)
    context = ssl.create_default_context()
    host = parts.hostname or "localhost"
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or TLS_PORT, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(host, parts.port or SUBMISSION_PORT, timeout=TIMEOUT_S)
    with server:
        server.ehlo()
        if parts.scheme == "smtp" and (parts.username or server.has_extn("starttls")):
            server.starttls(context=context)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
