"""When each landed message was sent and by whom: the part that all providers' formats share.

A message needs its provider's id before anything is written, because the gold labels are keyed
by it. Times and ids are drawn from the conversation's name, so labels and landing files can be
made independently of each other and still agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from pax_assets.messages.message import Channel, derived_provider_id, message_id
from pax_assets.sample.circle import Person
from pax_assets.sample.conversations import Conversation, SampleMessage, conversations

DAYS = tuple(date(2026, 1, 5) + timedelta(days=n) for n in range(5))
SMS_NUMBERS = ("+13125550142", "+13125550187")
WHATSAPP_NUMBER = "13125550177"
WHATSAPP_NUMBER_ID = "106540352242922"
JOURNAL = "journal@pax-sample.example"


@dataclass(frozen=True, slots=True)
class LandedMessage:
    """A message with everything that a provider's record of it needs.

    `form` says how it is landed: twilio, webhook, jsonl, or for mail plain, html (with a plain
    alternative), html_only, latin1, base64, folded, no_id.
    """

    conversation: Conversation
    message: SampleMessage
    number: int
    form: str
    sent_at: datetime
    native_id: str
    parent_id: str
    thread_id: str
    own_address: str

    @property
    def channel(self) -> Channel:
        """The channel that carried the message."""
        return self.conversation.channel

    @property
    def text(self) -> str:
        """The text as landed."""
        return self.message.writing.text

    @property
    def sender(self) -> Person:
        """Who wrote it."""
        chat = self.conversation
        return chat.contact if self.message.inbound else chat.host

    @property
    def receiver(self) -> Person:
        """To whom it was written."""
        chat = self.conversation
        return chat.host if self.message.inbound else chat.contact

    @property
    def subject(self) -> str:
        """The subject of a mail."""
        reply = "Re: " if self.number else ""
        return f"{reply}{self.conversation.subject} [{self.conversation.id}]"

    @property
    def date_header(self) -> str:
        """The `Date:` of a mail."""
        return self.sent_at.strftime("%a, %d %b %Y %H:%M:%S +0000")

    @property
    def provider_message_id(self) -> str:
        """The id by which parsers know the message."""
        if self.form != "no_id":
            return self.native_id
        topic = self.subject.removeprefix("Re: ").lower()
        return derived_provider_id(
            self.thread_id or topic,
            self.date_header,
            self.sender.mail,
            self.text,
            0,
        )

    @property
    def message_id(self) -> str:
        """The id in the feature store."""
        return message_id(self.channel, self.account, self.provider_message_id)

    @property
    def account(self) -> str:
        """The account that the parsers read from the message's record."""
        if self.channel == "email":
            return JOURNAL if self.message.inbound else ""
        return self.own_address


def landed(seed: int) -> Iterator[LandedMessage]:
    """Yield every message of the landing sample, conversation by conversation, oldest first."""
    for conversation in conversations(seed):
        if conversation.landed:
            rng = Random(f"{seed}/landing/{conversation.id}")  # noqa: S311 - a sample, no secret
            yield from _timed(conversation, rng)


def _timed(conversation: Conversation, rng: Random) -> Iterator[LandedMessage]:
    day = rng.choice(DAYS)
    at = datetime.combine(day, time(rng.randint(6, 16), rng.randint(0, 59)), UTC)
    own = rng.choice(SMS_NUMBERS) if conversation.channel == "sms" else f"+{WHATSAPP_NUMBER}"
    form = _chat_form(conversation, rng)
    thread = parent = ""
    for number, message in enumerate(conversation.messages):
        at = _next(at, rng, mail=conversation.channel == "email") if number else at
        native = _native_id(conversation, number, form, rng)
        if conversation.channel == "email":
            form = _mail_form(conversation, message, rng)
        yield LandedMessage(conversation, message, number, form, at, native, parent, thread, own)
        if form != "no_id":
            # Nobody can refer to a mail that was sent without an id.
            parent = native
            thread = thread or native


def _next(at: datetime, rng: Random, *, mail: bool) -> datetime:
    """Return a later time that still lies within the sample's days."""
    step = timedelta(minutes=rng.randint(20, 1200) if mail else rng.randint(1, 40))
    last = datetime.combine(DAYS[-1], time(23, 30), UTC)
    return at + (step if at + step < last else timedelta(seconds=rng.randint(30, 90)))


def _chat_form(conversation: Conversation, rng: Random) -> str:
    if rng.random() < 0.15:
        return "jsonl"
    return "twilio" if conversation.channel == "sms" else "webhook"


def _mail_form(conversation: Conversation, message: SampleMessage, rng: Random) -> str:
    forms = ["plain", "plain", "html", "base64", "folded", "no_id"]
    if not conversation.labelled:
        # Text taken out of HTML has no exact copy here, so only unlabelled mail is HTML alone.
        forms.append("html_only")
    try:
        message.writing.text.encode("iso-8859-1")
        forms.append("latin1")
    except UnicodeEncodeError:
        # A name or a sum (€) that Latin-1 cannot write.
        pass
    return rng.choice(forms)


def _native_id(conversation: Conversation, number: int, form: str, rng: Random) -> str:
    token = f"{rng.getrandbits(128):032x}"
    if conversation.channel == "email":
        return f"{token[:20]}@mail.pax-sample.example"
    if form == "jsonl":
        return f"{conversation.id}-{number}"
    return f"SM{token}" if conversation.channel == "sms" else f"wamid.{token.upper()}"
