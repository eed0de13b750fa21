"""Measures the safety rules on labelled texts: recall and false alarms, on tuning texts and on held-out texts."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.domain.safety import Assessment, Level, SafetyRules, assess, must_alert_staff

# Posts can be long; the carrier cuts a text message at 1600 characters.
_LONGEST_TEXT = 1600
_SPLITS = ("tuned", "held out")


@dataclass(frozen=True, slots=True)
class _Sample:
    """One labelled text. It is counted under `group`; `danger` says whether the rules should react."""

    group: str
    danger: bool
    text: str


def split_of(text: str) -> str:
    """`tuned` or `held out`, by a hash of the text: the same in every run, and not chosen by hand."""
    return _SPLITS[hashlib.sha256(text.encode()).digest()[0] % 2]


def _csv_rows(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _short_gold(path: Path) -> Iterator[_Sample]:
    names = {
        "A": ("short texts: explicit (A)", True),
        "P": ("short texts: passive (P)", True),
        "T": ("short texts: about another (T)", True),
        "D": ("short texts: distress (D)", False),
        "H": ("short texts: hyperbole (H)", False),
        "N": ("short texts: none (N)", False),
    }
    for row in _csv_rows(path):
        if row["scout_label"] in names:
            yield _Sample(*names[row["scout_label"]], row["text"])


def _cssrs(path: Path) -> Iterator[_Sample]:
    for row in _csv_rows(path):
        danger = float(row["severity"]) >= 2
        yield _Sample(f"posts: C-SSRS severity {'2 and over' if danger else '0 and 1'}", danger, row["content"])


def _implicit(path: Path) -> Iterator[_Sample]:
    for row in _csv_rows(path):
        yield _Sample(f"implicit, machine-written: {row['risk']}", row["risk"] in ("CRITICAL", "HIGH"), row["text"])


def _spanish(path: Path) -> Iterator[_Sample]:
    for row in _csv_rows(path):
        danger = row["suicidio"] == "1"
        yield _Sample(f"Spanish tweets: {'suicidal' if danger else 'not'} (noisy)", danger, row["tweet_clean"])


def _home_violence(path: Path) -> Iterator[_Sample]:
    for row in _csv_rows(path):
        danger = row["Label"] == "1"
        yield _Sample(f"posts: {'domestic violence' if danger else 'not violence'} (noisy)", danger, row["Post"])


def _needs(path: Path) -> Iterator[_Sample]:
    names = {"munro_sms": "help requests by SMS, disasters", "sad_sms_like": "everyday stress (SAD)"}
    for row in _csv_rows(path):
        if row["source"] in names:
            yield _Sample(names[row["source"]], False, row["text"])


_SOURCES: Mapping[str, Callable[[Path], Iterator[_Sample]]] = {
    "crisis_short_gold.csv": _short_gold,
    "crisis_cssrs_human.csv": _cssrs,
    "crisis_implicit_synthetic.csv": _implicit,
    "crisis_spanish.csv": _spanish,
    "crisis_dv_reddit.csv": _home_violence,
    "needs_eval.csv": _needs,
}


def labelled_samples(data_dir: Path) -> Iterator[tuple[str, _Sample]]:
    """Each labelled text once, with its split; missing files are skipped."""
    for name, read in _SOURCES.items():
        if (data_dir / name).exists():
            seen: set[str] = set()
            for sample in read(data_dir / name):
                if sample.text not in seen:
                    seen.add(sample.text)
                    yield split_of(sample.text), sample


def _reaction(assessment: Assessment) -> str:
    """`asked` where a direct question comes first, `alarm` where a human is called without one."""
    if assessment.ask is not None:
        return "asked"
    if must_alert_staff(assessment):
        return "alarm"
    return "offered a person" if assessment.level is Level.DISTRESS else "nothing"


def _share(count: int, of: int) -> str:
    return f"{count / of:.3f}" if of else "-"


def format_report(rules: SafetyRules, data_dir: Path) -> str:
    """A Markdown table: by group and split, how many texts led to an alarm, a question, an offer of a human, or nothing.

    `data_dir` holds the labelled CSV files (the folder `understanding`). The table holds only counts, never a text.
    """
    counts: dict[tuple[str, bool], dict[str, Counter[str]]] = {}
    for split, sample in labelled_samples(data_dir):
        reaction = _reaction(assess(rules, sample.text[:_LONGEST_TEXT]))
        by_split = counts.setdefault((sample.group, sample.danger), {name: Counter() for name in _SPLITS})
        by_split[split][reaction] += 1
    if not counts:
        return f"No labelled texts were found; the folder named `{data_dir.name}` holds none of the known files.\n"
    lines = [
        "| texts | wanted | split | n | alarm | asked | alarm or asked | offered a person |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for (group, danger), by_split in counts.items():
        for split, found in by_split.items():
            n = found.total()
            reached = found["alarm"] + found["asked"]
            lines.append(
                f"| {group} | {'react' if danger else 'pass'} | {split} | {n} | {_share(found['alarm'], n)} "
                f"| {_share(found['asked'], n)} | {_share(reached, n)} | {_share(found['offered a person'], n)} |"
            )
    return "\n".join(lines) + "\n"
