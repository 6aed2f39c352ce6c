"""What was known of a sender and a conversation just before a message was sent: definitions.

A model that is trained on "messages this person has sent" must see the number as it was when the
message was written, not as it is today; otherwise it learns from the future and disappoints in
production. So every feature here is a function of the messages that come before the message in
one order: `sent_at`, then `message_id`. When a message arrived plays no part: late messages take
their place, and what follows them is computed again.

Definitions, for a message m with sender s in conversation c. "Before" is in that order.

* `conversation_messages_before`: messages of c before m.
* `seconds_since_conversation_message`: since the last message of c before m; null for the first.
* `seconds_since_other_side`: since the last message of c before m with a sender other than s;
  null where there is none, or where s is unknown.
* `response_seconds`: `seconds_since_other_side`, where m is a response: the last message of c
  before m with a known sender is somebody else's (s has not written again since), at most 30 days
  ago. Null otherwise.
* `sender_sent_before`, `sender_received_before`: messages before m that s sent, and in which s is
  a recipient (once a message).
* `seconds_since_sender_message`: since the last message before m that s sent.
* `sender_responses_before`: messages before m by s that are responses.
* `sender_mean_response_seconds`: mean of their `response_seconds`.
* `sender_median_response_seconds`: lower median of their `response_seconds`, each first cut to
  whole seconds and rounded down to five significant binary digits (less than 1/16 too low). A
  median to the microsecond would need all response times of a lifetime in the state of a person;
  this one needs a histogram of at most some 300 cells.

All of the `sender_*` features and those that compare with s are null where the sender is unknown.
A person is an address here, not a resolved participant: which addresses belong together is
evidence that came later, and would leak into the past.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

DAY_US = 86_400_000_000
LONGEST_RESPONSE_US = 30 * DAY_US
_SIGNIFICANT_BITS = 5

CONVERSATION_FEATURES = (
    "conversation_messages_before",
    "seconds_since_conversation_message",
    "seconds_since_other_side",
    "response_seconds",
)
SENDER_FEATURES = (
    "sender_sent_before",
    "sender_received_before",
    "seconds_since_sender_message",
    "sender_responses_before",
    "sender_mean_response_seconds",
    "sender_median_response_seconds",
)


def rounded_seconds(microseconds: int) -> int:
    """Return whole seconds rounded down to five significant binary digits."""
    seconds = microseconds // 1_000_000
    surplus = max(0, seconds.bit_length() - _SIGNIFICANT_BITS)
    return seconds >> surplus << surplus


@dataclass(slots=True)
class Conversation:
    """A conversation up to some moment. Times are microseconds since 1970.

    `last_sender` wrote last (of known senders), at `spoke_at`; `other_at` is when somebody else
    last wrote before that.
    """

    messages: int = 0
    last_at: int | None = None
    last_sender: str | None = None
    spoke_at: int | None = None
    other_at: int | None = None

    def features(
        self, sender: str | None, at: int
    ) -> tuple[int, int | None, int | None, int | None]:
        """Return `CONVERSATION_FEATURES` of a message that comes next; times in microseconds."""
        since = None if self.last_at is None else at - self.last_at
        other = response = None
        if sender is not None and self.last_sender is not None:
            answers = self.last_sender != sender
            other_at = self.spoke_at if answers else self.other_at
            other = None if other_at is None else at - other_at
            if answers and other is not None and other <= LONGEST_RESPONSE_US:
                response = other
        return self.messages, since, other, response

    def take(self, sender: str | None, at: int) -> None:
        """Move on past a message."""
        self.messages += 1
        self.last_at = at
        if sender is None:
            return
        if self.last_sender != sender:
            self.last_sender, self.other_at = sender, self.spoke_at
        self.spoke_at = at

    def copy(self) -> Conversation:
        """Return the state as it is now."""
        return Conversation(
            self.messages, self.last_at, self.last_sender, self.spoke_at, self.other_at
        )


@dataclass(slots=True)
class Person:
    """A sender or recipient up to some moment. `histogram` maps rounded seconds to counts."""

    sent: int = 0
    received: int = 0
    last_sent_at: int | None = None
    responses: int = 0
    response_sum: int = 0
    histogram: dict[int, int] = field(default_factory=dict)
    _cells: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cells = sorted(self.histogram)

    def features(self, at: int) -> tuple[int, int, int | None, int, float | None, int | None]:
        """Return `SENDER_FEATURES` of a message that this person sends next.

        The third is in microseconds, the mean and the median are in seconds.
        """
        since = None if self.last_sent_at is None else at - self.last_sent_at
        mean = self.response_sum / self.responses / 1e6 if self.responses else None
        return self.sent, self.received, since, self.responses, mean, self._median()

    def _median(self) -> int | None:
        if not self.responses:
            return None
        left = (self.responses + 1) // 2
        for cell in self._cells:
            left -= self.histogram[cell]
            if left <= 0:
                return cell
        raise ValueError("the histogram holds fewer responses than were counted")

    def send(self, at: int, response: int | None) -> None:
        """Move on past a message of this person, a response or not."""
        self.sent += 1
        self.last_sent_at = at
        if response is None:
            return
        self.responses += 1
        self.response_sum += response
        cell = rounded_seconds(response)
        if cell not in self.histogram:
            insort(self._cells, cell)
            self.histogram[cell] = 0
        self.histogram[cell] += 1

    def receive(self) -> None:
        """Move on past a message to this person."""
        self.received += 1

    def copy(self) -> Person:
        """Return the state as it is now."""
        return Person(
            self.sent,
            self.received,
            self.last_sent_at,
            self.responses,
            self.response_sum,
            dict(self.histogram),
        )
