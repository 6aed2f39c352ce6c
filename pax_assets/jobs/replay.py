"""Walks through messages in their order and says what was known before each of them.

Only what changed is walked: from the first day on which a message came or went, the conversations
and people of those messages, and, since a message may turn another one into a response, the
senders of messages whose response time is another one now. Each of them starts from its balance
at the beginning of that day, as a ledger does, so the history before costs nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pax_assets.jobs.point_in_time import (
    CONVERSATION_FEATURES,
    DAY_US,
    SENDER_FEATURES,
    Conversation,
    Person,
)

if TYPE_CHECKING:
    import numpy as np

State = TypeVar("State", Conversation, Person)

# In the state they are microseconds, in the table seconds.
_TIMES = frozenset(
    {
        "seconds_since_conversation_message",
        "seconds_since_other_side",
        "response_seconds",
        "seconds_since_sender_message",
    }
)
FEATURES = (*CONVERSATION_FEATURES, *SENDER_FEATURES)


@dataclass(frozen=True, slots=True)
class Events:
    """Messages in their order: parallel lists. Times in microseconds; recipients distinct."""

    at: Sequence[int]
    conversation: Sequence[str]
    sender: Sequence[str | None]
    recipients: Sequence[Sequence[str]]


class Balances(Generic[State]):
    """States that move on, and what each was when a day began.

    `start` has the balances to start from, by key (a key that is absent starts empty). `days` has
    the days, in order, whose opening balance is on record for a key: those are recorded anew, and
    so is every day on which the key occurs. Days count from 1970.
    """

    def __init__(
        self,
        empty: type[State],
        start: Mapping[str, State],
        days: Mapping[str, Sequence[int]],
    ) -> None:
        self._empty = empty
        self._start = start
        self._days: dict[str, Iterator[int]] = {key: iter(found) for key, found in days.items()}
        self._next: dict[str, int | None] = {
            key: next(found, None) for key, found in self._days.items()
        }
        self._day: dict[str, int] = {}
        self.states: dict[str, State] = {}
        self.openings: list[tuple[str, int, State]] = []

    def on(self, key: str, day: int) -> State:
        """Return the key's state, to be read and moved on; days must not go back."""
        state = self.states.get(key)
        if state is None:
            begun = self._start.get(key)
            state = self.states[key] = self._empty() if begun is None else begun.copy()
        if self._day.get(key) != day:
            self._open(key, day, state)
        return state

    def _open(self, key: str, day: int, state: State) -> None:
        following = self._next.get(key)
        while following is not None and following < day:
            self.openings.append((key, following, state.copy()))
            following = next(self._days[key], None)
        if following == day:
            following = next(self._days[key], None)
        self._next[key] = following
        self.openings.append((key, day, state.copy()))
        self._day[key] = day

    def close(self, keys: Iterable[str]) -> None:
        """Bring `keys` to the end, also those that did not occur."""
        for key in keys:
            if key not in self.states:
                begun = self._start.get(key)
                self.states[key] = self._empty() if begun is None else begun.copy()
            following = self._next.get(key)
            while following is not None:
                self.openings.append((key, following, self.states[key].copy()))
                following = next(self._days[key], None)
            self._next[key] = None


def replay_conversations(
    events: Events,
    keys: Container[str],
    balances: Balances[Conversation],
    features: Mapping[str, np.ndarray],
) -> None:
    """Write the conversation features of the events of conversations `keys` into `features`.

    `features` has an array of floats for each of `FEATURES`, as long as the events; null is NaN.
    """
    columns = [(features[name], 1e6 if name in _TIMES else 1) for name in CONVERSATION_FEATURES]
    for place, key in enumerate(events.conversation):
        if key not in keys:
            continue
        at, sender = events.at[place], events.sender[place]
        state = balances.on(key, at // DAY_US)
        for (column, unit), value in zip(columns, state.features(sender, at), strict=True):
            column[place] = float("nan") if value is None else value / unit
        state.take(sender, at)


def replay_people(
    events: Events,
    keys: Container[str],
    balances: Balances[Person],
    features: Mapping[str, np.ndarray],
) -> None:
    """Write the sender features of the events that `keys` sent into `features`.

    Reads `response_seconds`, which must be right for those events.
    """
    columns = [(features[name], 1e6 if name in _TIMES else 1) for name in SENDER_FEATURES]
    responses = features["response_seconds"]
    for place, sender in enumerate(events.sender):
        at = events.at[place]
        day = at // DAY_US
        if sender is not None and sender in keys:
            state = balances.on(sender, day)
            for (column, unit), value in zip(columns, state.features(at), strict=True):
                column[place] = float("nan") if value is None else value / unit
            response = responses[place]
            # At most 30 days: a float holds them to the microsecond.
            state.send(at, None if response != response else round(response * 1e6))
        for recipient in events.recipients[place]:
            if recipient in keys:
                balances.on(recipient, day).receive()
