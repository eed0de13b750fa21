"""What people sent, what the database holds and what Twilio took, compared after a run with faults."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select

from bot.storage.database import Database
from bot.storage.sealing import Sealer
from bot.storage.tables.residents import Message as Row
from tests.faults.people import Text
from tests.stand_ins.twilio_wire import Message

QUIET = "Quiet since "
"""How the flow's scheduled text begins: it is sent when the person has not written for six seconds."""


@dataclass
class Ledger:
    """The three sides. `promised` are the bodies of texts that the test itself committed to the outbox."""

    texts: list[Text]
    promised: list[str]
    taken: list[Message]
    inbound: dict[str, Row] = field(default_factory=dict)
    outbound: dict[int, Row] = field(default_factory=dict)
    words: dict[int, str] = field(default_factory=dict)

    def read(self, database: Database, sealer: Sealer) -> None:
        """Read every message row."""
        with database.transaction() as db:
            for row in db.scalars(select(Row).order_by(Row.id)):
                self.words[row.id] = sealer.open(row.sealed_body or "")
                if row.outbound:
                    self.outbound[row.id] = row
                else:
                    self.inbound[row.sid or ""] = row

    def lost_texts(self) -> list[str]:
        """Texts that Warmline accepted, and that no row holds."""
        return [text.body for text in self.texts if text.accepted and text.sid not in self.inbound]

    def unanswered(self) -> list[str]:
        """Recorded texts that do not have exactly one reply."""
        replies = Counter(row.replies_to for row in self.outbound.values() if row.replies_to)
        return [self.words[row.id] for row in self.inbound.values() if replies[row.id] != 1]

    def times_sent(self) -> dict[int, int]:
        """How often Twilio took the words of each outgoing row."""
        # Every body belongs to one row only, except for the greeting, which each person gets once.
        sent = Counter((message.to, message.body) for message in self.taken)
        people = {text.sid: text.sender for text in self.texts}
        to = {row.conversation_id: people[sid] for sid, row in self.inbound.items()}
        return {number: sent[to[row.conversation_id], self.words[number]] for number, row in self.outbound.items()}

    def lost(self) -> list[str]:
        return [self.words[number] for number, times in self.times_sent().items() if times == 0]

    def doubled(self) -> list[str]:
        return [self.words[number] for number, times in self.times_sent().items() if times > 1]

    def unknown(self) -> list[str]:
        """What Twilio took though no row holds it, apart from the outage texts."""
        held = set(self.words.values())
        return [message.body for message in self.taken if message.body not in held and message.status_callback]

    def outage_texts(self) -> int:
        return sum(not message.status_callback for message in self.taken)

    def out_of_order(self) -> list[str]:
        """People whose accepted texts were recorded in another order than they were sent."""
        sent: dict[str, list[int]] = defaultdict(list)
        for text in self.texts:
            if text.accepted and text.sid in self.inbound:
                sent[text.sender].append(self.inbound[text.sid].id)
        return [sender for sender, ids in sent.items() if ids != sorted(ids)]

    def replies_overtaken(self) -> int:
        """Replies that Twilio took after the reply to a later text of the same person."""
        place = {message.body: number for number, message in enumerate(self.taken)}
        overtaken, earliest = 0, dict[int | None, int]()
        for number, row in sorted(self.outbound.items(), reverse=True):
            here = place.get(self.words[number])
            if row.replies_to and here is not None and self.words[number].startswith("Heard"):
                before = earliest.get(row.conversation_id, here)
                overtaken += here > before
                earliest[row.conversation_id] = min(here, before)
        return overtaken

    def counts(self) -> dict[str, int]:
        """Counts of what happened, for the table."""
        times = self.times_sent()
        api = {message.body for message in self.taken if message.came_by == "api"}
        kept = {text.sid for text in self.texts if text.kept}
        replies = {row.replies_to: self.words[row.id] for row in self.outbound.values() if row.replies_to}
        resent = [sid for sid, row in self.inbound.items() if sid not in kept and replies.get(row.id) in api]
        by_hand = set(self.promised)
        return {
            "texts sent by people": len(self.texts),
            "  accepted (we answered 200)": sum(text.accepted for text in self.texts),
            "  given up by Twilio after 15 s": sum(not text.accepted for text in self.texts),
            "  webhooks tried again": sum(text.tries - 1 for text in self.texts),
            "  recorded": len(self.inbound),
            "  kept in the spool, then replayed": sum(sid in self.inbound for sid in kept),
            "replies": len(replies),
            "  sent by the API, as the answer was lost": len(resent),
            "  that came after a later text's": self.replies_overtaken(),
            "texts promised by hand": len(self.promised),
            "texts promised by a silence": sum(body.startswith(QUIET) for body in self._bodies()),
            "lost: accepted, not recorded": len(self.lost_texts()),
            "lost: recorded, without a reply": len(self.unanswered()),
            "lost: replies never sent": sum(times[n] == 0 for n, row in self.outbound.items() if row.replies_to),
            "lost: promised, never sent": sum(times[n] == 0 for n, row in self.outbound.items() if not row.replies_to)
            + len(by_hand - set(self._bodies())),
            "doubled: rows sent more than once": len(self.doubled()),
        }

    def _bodies(self) -> Iterable[str]:
        return [self.words[number] for number in self.outbound]


def table(title: str, *parts: Mapping[str, int]) -> str:
    """Counts as lines of text."""
    lines = ["", title, "-" * len(title)]
    for part in parts:
        lines += [f"{name:<46}{count:>7}" for name, count in part.items()]
    return "\n".join([*lines, ""])
