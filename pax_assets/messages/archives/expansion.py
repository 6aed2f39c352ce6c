"""How far a packed object may unfold, counted over all of its layers together.

Ten megabytes can hold petabytes: one stream of zeros, archives within archives, members that
share their bytes. A bound on each alone multiplies with the others, so everything that an object
unfolds to is counted in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

from pax_assets.messages.arrival import UnusableError

# A phone's whole history with its media has a few GiB.
MAX_EXPANDED_BYTES = 16 * 1024**3
# Deflate reaches 1,032; the most monotonous logs and XML stay under a tenth of that. Below the
# free size any ratio is harmless.
MAX_RATIO = 200
FREE_BYTES = 64 * 1024 * 1024
# WhatsApp exports at most 10,000 media files with a chat.
MAX_MEMBERS = 20_000
# An archive, and an archive in it: one that a person zipped once more to send it.
MAX_DEPTH = 2


class PackedError(UnusableError):
    """A layer that cannot be unpacked, or not to its end.

    `cut` says that the content is right but ends too early, `damaged` that it may be wrong from
    anywhere on.
    """

    def __init__(self, code: str, reason: str, *, cut: bool = False, damaged: bool = False) -> None:
        super().__init__(code, reason)
        self.cut = cut
        self.damaged = damaged


@dataclass(slots=True)
class Expansion:
    """What one object has unfolded to until now; `depth` is how many layers are open."""

    packed: int = 0
    expanded: int = 0
    members: int = 0
    depth: int = 0
    exhausted: bool = False

    def add(self, packed: int, expanded: int) -> None:
        """Count bytes read and bytes unpacked from them; raise `PackedError` beyond a bound."""
        self.packed += packed
        self.expanded += expanded
        if self.expanded > MAX_EXPANDED_BYTES:
            self._stop(f"unfolds to more than {MAX_EXPANDED_BYTES} bytes")
        if self.expanded > FREE_BYTES and self.expanded > MAX_RATIO * self.packed:
            self._stop(f"unfolds to more than {MAX_RATIO} times its size")

    def add_member(self) -> None:
        """Count a member of an archive; raise `PackedError` beyond the bound."""
        self.members += 1
        if self.members > MAX_MEMBERS:
            raise PackedError(
                "too_many_members",
                f"the object holds more than {MAX_MEMBERS} members; "
                "this one and those after it were not read: land them in several archives",
            )

    def _stop(self, what: str) -> None:
        self.exhausted = True
        raise PackedError(
            "expansion_too_large",
            f"the object {what}; what follows was not read: land it unpacked, or in parts",
            cut=True,
        )
