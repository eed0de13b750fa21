"""People who text through Twilio, as Twilio does it: again with the same id when no answer arrives.

Twilio uses the one answer that it received (twilio.com/docs/usage/webhooks/webhooks-connection-overrides, here
`#rc=5&rp=all`: five retries, fifteen seconds in all) and reports on what it sent late, twice, out of order or never.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from tests.stand_ins.twilio import Answer, StandInTwilio
from tests.stand_ins.twilio_wire import Message, new_sid

ALL_TOGETHER_SECONDS = 15.0
RETRIES = 5
LOST_ANSWERS = 0.03
"""The share of answers that get lost on the way to Twilio, apart from those that the kills cost."""
_local = threading.local()


class Network:
    """The network between Twilio and Warmline. It loses an answer now and then."""

    def __init__(self, seed: str, lost: float = LOST_ANSWERS) -> None:
        self.lost = lost
        self.answers_lost = 0
        self._random = random.Random(seed)

    def post(self, url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, str, str]:
        """Raises requests.RequestException where Twilio would get no answer."""
        answer = _session().post(url, data=form, headers=headers, timeout=(2, 10), allow_redirects=False)
        if self._random.random() < self.lost:
            self.answers_lost += 1
            raise requests.ConnectionError("the answer was lost on the way")
        return answer.status_code, answer.headers.get("Content-Type", ""), answer.text


def _session() -> requests.Session:
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    session: requests.Session = _local.session
    return session


@dataclass
class Text:
    """One text of a person. `accepted`: Warmline answered 200 and Twilio received it."""

    sender: str
    body: str
    sid: str = field(default_factory=new_sid)
    tries: int = 0
    replies: tuple[Message, ...] = ()
    accepted: bool = False

    @property
    def kept(self) -> bool:
        """Whether it was answered with the outage text, which belongs to no row and gets no delivery reports."""
        return any(not reply.status_callback for reply in self.replies)


def send(twilio: StandInTwilio, url: str, text: Text) -> Text:
    """Post a text until it is answered with 200 or Twilio would give up."""
    deadline = time.monotonic() + ALL_TOGETHER_SECONDS
    while text.tries <= RETRIES and time.monotonic() < deadline:
        text.tries += 1
        answer = _try(twilio, url, text)
        if answer is not None and answer.status == 200:
            assert answer.error_code is None, f"Twilio could not read our answer ({answer.error_code})"
            text.accepted, text.replies = True, answer.messages
            return text
        time.sleep(min(4, text.tries))
    return text


def _try(twilio: StandInTwilio, url: str, text: Text) -> Answer | None:
    try:
        return twilio.text_the_line(f"{url}/twilio/sms", text.sender, text.body, MessageSid=text.sid)
    except requests.RequestException:
        return None


class Crowd:
    """A number of people, each texting one text after the other with pauses, until `stop`."""

    def __init__(self, twilio: StandInTwilio, url: str, people: int, seed: str, pauses: tuple[float, float]) -> None:
        self.texts: list[Text] = []
        self._twilio, self._url, self._seed, self._pauses = twilio, url, seed, pauses
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._live, args=(number,), daemon=True) for number in range(people)]
        self._failures: list[BaseException] = []

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Return when every person has an answer to their last text."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _live(self, number: int) -> None:
        mood, sender = random.Random(f"{self._seed}-{number}"), number_of(number)
        self._over.wait(mood.uniform(0, self._pauses[1]))
        try:
            for part in itertools.count(1):
                if self._over.is_set():
                    return
                text = Text(sender, f"story {number} part {part}")
                self.texts.append(text)
                send(self._twilio, self._url, text)
                self._over.wait(mood.uniform(*self._pauses))
        except BaseException as failure:
            self._failures.append(failure)


def number_of(person: int) -> str:
    return f"+1314555{person:04d}"


FATES: dict[str, tuple[tuple[float, str], ...]] = {
    "on time": ((0.2, "sent"), (0.5, "delivered")),
    "late": ((3.0, "sent"), (9.0, "delivered")),
    "doubled": ((0.2, "sent"), (0.3, "sent"), (0.6, "delivered"), (0.7, "delivered")),
    "reordered": ((0.2, "delivered"), (0.6, "sent"), (0.8, "queued")),
    "lost": (),
}
_WEIGHTS = (60, 12, 8, 8, 12)


class Reports:
    """Twilio's status callbacks for all that it took: each on time, late, repeated, out of order or lost."""

    def __init__(self, twilio: StandInTwilio, seed: str) -> None:
        self.fates: Counter[str] = Counter()
        self._twilio, self._random = twilio, random.Random(seed)
        self._due: list[tuple[float, int, str, str]] = []
        self._order = itertools.count()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        seen = 0
        with ThreadPoolExecutor(4) as posters:
            while not self._over.wait(0.05):
                messages = self._twilio.messages
                self._plan(messages[seen:])
                seen = len(messages)
                while self._due and self._due[0][0] < time.monotonic():
                    _, _, sid, state = heapq.heappop(self._due)
                    posters.submit(self._post, sid, state)

    def _plan(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.status_callback:
                fate = self._random.choices(list(FATES), _WEIGHTS)[0]
                self.fates[fate] += 1
                for after, state in FATES[fate]:
                    heapq.heappush(self._due, (time.monotonic() + after, next(self._order), message.sid, state))

    def _post(self, sid: str, state: str) -> None:
        # A callback to a dead web server is lost too: Twilio does not repeat them.
        try:
            self._twilio.report(sid, state)
        except requests.RequestException:
            self.fates["lost on the way"] += 1
