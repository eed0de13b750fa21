"""Assessing a person's message for danger: pure, deterministic, in time proportional to the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.safety.levels import Assessment, Danger, Level
from bot.domain.safety.rules import SafetyRule, SafetyRules

# A carrier's text has at most 1600 characters; of a longer message (web chat) only the beginning and the end are read.
MAX_CHARACTERS = 8000
# A long text contains more signs of every kind, so each further 25 words raise a score's threshold by one point.
WORDS_PER_POINT = 25
_NOTHING = Assessment()
_ORDER = {danger: place for place, danger in enumerate(Danger)}
# Someone who writes about another person can answer the question about a child or an ambulance; "are you having thoughts"
# makes no sense to them.
_ASKED_ABOUT_OTHERS = (Danger.CHILD, Danger.MEDICAL, Danger.OVERDOSE)
Spans = dict[int, list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class _RuleHit:
    rule: str
    danger: Danger
    level: Level
    doubtful: bool
    about_other: bool
    is_new: bool


class _TextMatcher:
    """One canonical text and the phrases found in it; each phrase is searched for at most once."""

    def __init__(self, rules: SafetyRules, text: str) -> None:
        self._rules, self.text = rules, text
        self._found: Spans = {}

    def spans(self, number: int) -> list[tuple[int, int]]:
        """Where phrase `number` is found, as (start, end) in the text."""
        found = self._found.get(number)
        if found is None:
            pattern = self._rules.phrases[number].pattern
            found = self._found[number] = [match.span() for match in pattern.finditer(self.text)]
        return found

    def candidates(self) -> set[int]:
        """The numbers of the phrases whose words all occur in the text, in any order."""
        numbers: set[int] = set()
        by_word, phrases = self._rules.by_word, self._rules.phrases
        words = set(self.text.split(" "))
        for word in by_word.keys() & words:
            for number in by_word[word]:
                for need in phrases[number].required_words:
                    if need.isdisjoint(words):
                        break
                else:
                    numbers.add(number)
        if self._rules.prefixes:
            for match in self._rules.prefixes.finditer(self.text):
                numbers.update(self._rules.by_prefix[match[1]])
        return numbers

    def occurs(self, numbers: Sequence[int]) -> bool:
        """True where any of the phrases is found."""
        return any(self.spans(number) for number in numbers)


def _cancelled(rule: SafetyRule, reading: _TextMatcher, start: int, end: int) -> bool:
    return any(low < end and start < high for number in rule.unless for low, high in reading.spans(number))


def _doubtful_level(level: Level) -> Level:
    """The level of doubtful words: the worst still alert a social worker, while the person is asked one question."""
    return min(level, Level.ACTIVE if level >= Level.IMMINENT else Level.DISTRESS)


def _rule_hits(
    rules: SafetyRules, rule: SafetyRule, reading: _TextMatcher, spans: list[tuple[int, int]], new: int
) -> list[_RuleHit]:
    """The hits of `rule`, whose phrases are found at `spans`; text from offset `new` on is this message, before it earlier
    ones."""
    if rule.unless_said and reading.occurs(rule.unless_said):
        return []
    hits = []
    negation = rules.negation_patterns.get(rule.language) if rule.negatable else None
    unclear = bool(rule.doubt_if) and reading.occurs(rule.doubt_if)
    for start, end in spans:
        if rule.unless and _cancelled(rule, reading, start, end):
            continue
        negated = bool(negation and negation.search(reading.text[max(0, start - 60) : start + 1]))
        level = _doubtful_level(rule.level) if negated or unclear else rule.level
        doubtful = rule.doubtful or negated or unclear
        hits.append(_RuleHit(rule.id, rule.danger, level, doubtful, rule.about_other, end > new))
    return hits


def _raised_hits(
    rules: SafetyRules, reading: _TextMatcher, candidates: set[int], hits: list[_RuleHit], new: int
) -> list[_RuleHit]:
    """Hits made worse by something else in the text (a time, a means at hand)."""
    found = []
    for number in sorted(candidates & rules.raises_by_phrase.keys()):
        spans = reading.spans(number)
        if not spans:
            continue
        fresh = spans[-1][1] > new
        for entry in (rules.raises[place] for place in rules.raises_by_phrase[number]):
            for hit in hits:
                if hit.danger is entry.danger and not hit.doubtful and hit.level >= Level.ACTIVE and (fresh or hit.is_new):
                    found.append(_RuleHit(entry.id, hit.danger, entry.level, False, hit.about_other, True))
    return found


def _score_hits(rules: SafetyRules, reading: _TextMatcher, candidates: set[int], new: int) -> list[_RuleHit]:
    """The scores that reach the threshold for the length of the text; each sign counts once."""
    found = []
    for score in rules.scores:
        signs = candidates & score.points.keys()
        if sum(score.points[number] for number in signs) < score.at:
            continue
        total, fresh = 0, False
        for number in signs:
            spans = reading.spans(number)
            if spans:
                total += score.points[number]
                fresh = fresh or spans[-1][1] > new
        if total >= score.at and total >= score.at + reading.text.count(" ") // WORDS_PER_POINT:
            found.append(_RuleHit(score.id, score.danger, Level.DISTRESS, True, False, fresh))
    return found


def _soften_jokes(rules: SafetyRules, text: str, hits: list[_RuleHit]) -> list[_RuleHit]:
    """Laughter makes a wish to die doubtful, but does not cancel it: people in danger laugh it off."""
    if not hits or rules.joking is None or not rules.joking.search(text):
        return hits
    return [
        _RuleHit(hit.rule, hit.danger, Level.DISTRESS, True, hit.about_other, hit.is_new)
        if hit.danger is Danger.SELF_HARM and hit.level is Level.ACTIVE
        else hit
        for hit in hits
    ]


def _summarize(hits: list[_RuleHit]) -> Assessment:
    """One assessment of all hits: the worst level, dangers worst first, a question only where no hit is certain."""
    if not hits:
        return _NOTHING
    hits = sorted(hits, key=lambda hit: (-hit.level, hit.doubtful, hit.about_other, _ORDER[hit.danger]))
    certain = [hit for hit in hits if hit.level >= Level.ACTIVE and not hit.doubtful]
    doubtful = [hit for hit in hits if hit.doubtful and (not hit.about_other or hit.danger in _ASKED_ABOUT_OTHERS)]
    worst = certain or doubtful or hits
    dangers = list(dict.fromkeys(hit.danger for hit in hits))
    ask = None
    if not certain and doubtful:
        ask = doubtful[0].danger
        dangers = [ask, *(danger for danger in dangers if danger is not ask)]
    return Assessment(
        level=hits[0].level,
        dangers=tuple(dangers),
        rules=tuple(dict.fromkeys(hit.rule for hit in hits)),
        ask=ask,
        about_other=all(hit.about_other for hit in worst),
    )


def _shorten(text: str) -> str:
    half = MAX_CHARACTERS // 2
    return text if len(text) <= MAX_CHARACTERS else f"{text[:half]} {text[-half:]}"


def assess(rules: SafetyRules, text: str, earlier: Sequence[str] = ()) -> Assessment:
    """What `text` says about danger, in any of the rules' languages.

    `earlier` are this person's texts of the last two minutes, oldest first, as people split sentences over several texts.
    Danger wholly within them was assessed when they came and is not counted again. The text is also assessed alone and the
    worse result counts: an earlier "no" to another question must not cancel what follows. Never raises, for any text.
    """
    joined = _assess_joined(rules, text, earlier)
    if not earlier or joined.level >= Level.ACTIVE:
        return joined
    alone = _assess_joined(rules, text, ())
    return alone if (alone.level, alone.ask is not None) > (joined.level, joined.ask is not None) else joined


def _assess_joined(rules: SafetyRules, text: str, earlier: Sequence[str]) -> Assessment:
    canonical = rules.spelling.canonical(_shorten(text))
    whole = rules.whole.get(canonical) or rules.whole.get(canonical.replace(" .", ""), ())
    new = 0
    if earlier:
        before = rules.spelling.canonical(_shorten(" ".join(earlier)))
        canonical, new = before + canonical[1:], len(before)
    reading = _TextMatcher(rules, canonical)
    candidates = reading.candidates()
    hits = [
        _RuleHit(rule.id, rule.danger, rule.level, rule.doubtful, rule.about_other, True)
        for rule in (rules.rules[number] for number in whole)
    ]
    firing = rules.rules_by_phrase
    for number in sorted(candidates):
        if number in firing:
            spans = reading.spans(number)
            if spans:
                for place in firing[number]:
                    hits += _rule_hits(rules, rules.rules[place], reading, spans, new)
    if hits:
        hits = _soften_jokes(rules, canonical, hits)
        hits += _raised_hits(rules, reading, candidates, hits, new)
    if not any(hit.level >= Level.ACTIVE for hit in hits) and not (rules.joking and rules.joking.search(canonical)):
        hits += _score_hits(rules, reading, candidates, new)
    return _summarize([hit for hit in hits if hit.is_new])
