"""What checking the flow of two hundred steps takes, in a process that has not read it before."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import yaml
from babel.messages.pofile import read_po

from benchmarks import big_flow
from benchmarks.instance import HERE
from bot.domain.conversation.transcript import LineKind, read_transcript
from bot.domain.flows.language.content import FlowContent
from bot.usecases.conversation.rehearsal import replay
from bot.usecases.studio.check_draft import check_drafts
from bot.usecases.studio.flow_sets import rehearsal_cards

GOAL_SECONDS = 2.0


def measure(folder: Path, rounds: int, tests: int) -> str:
    """A table of `rounds` processes, each of which reads and checks the same files once."""
    path = folder / "big_flow.json"
    whole = big_flow.content(tests=tests)
    path.write_text(json.dumps([whole.source, dict(whole.translations), dict(whole.transcripts)]), "utf-8")
    command = [sys.executable, "-m", "benchmarks.studio_check", str(path)]
    found = [json.loads(subprocess.check_output(command, cwd=HERE.parent)) for _ in range(rounds)]
    return _table(found, tests)


def _table(found: list[dict[str, float]], tests: int) -> str:
    lines = [
        f"checking {big_flow.PARTS * big_flow.STEPS_OF_A_PART} steps in {len(big_flow.LANGUAGES)} languages with {tests}"
        f" conversation tests of {found[0]['texts']:.0f} texts, each in a new process, medians of {len(found)}:",
        f"  {'':56s}{'seconds':>10s}{'to the floor':>16s}",
    ]
    labels = {
        "the floor": "the floor: PyYAML and Babel read the same files",
        "read": "our reading of it",
        "checked": "the whole check, with that reading, the first time",
        "checked again": "the same check once more (its report is kept)",
        "checked after a change": "the check after one text has changed",
    }
    for arm, label in labels.items():
        seconds = statistics.median(each[arm] for each in found)
        ratio = statistics.median(each[arm] / each["the floor"] for each in found)
        lines.append(f"  {label:56s}{seconds:>10.3f}{f'x{ratio:.2f}':>16s}")
    cold = statistics.median(each["checked"] for each in found)
    lines.append(
        f"  one text of a person costs {statistics.median(each['a text of a person'] for each in found) * 1e6:.0f} us"
    )
    lines.append(f"  goal, the first check under {GOAL_SECONDS:.0f} s: {'met' if cold < GOAL_SECONDS else 'MISSED'}")
    return "\n".join(lines)


def main(path: Path) -> None:
    """One process: each part once, in this order."""
    source, translations, transcripts = json.loads(path.read_text("utf-8"))
    whole = FlowContent(source, translations, transcripts)
    # What every Warmline process has loaded before a flow is edited.
    line, cards = big_flow.line(), rehearsal_cards(big_flow.ZONE)
    took: dict[str, float] = {}
    began = time.perf_counter()
    yaml.load(source, yaml.CSafeLoader)
    for po in translations.values():
        read_po(StringIO(po))
    took["the floor"] = time.perf_counter() - began

    began = time.perf_counter()
    world = big_flow.world_of(whole)
    took["read"] = time.perf_counter() - began
    for arm in ("checked", "checked again"):
        report = check_drafts(world, [big_flow.NAME], line, big_flow.ZONE, big_flow.LINE_NAME)
        took[arm] = time.perf_counter() - began
        began = time.perf_counter()
    assert report.played == len(transcripts) and not report.errors and not report.failed, report.problems[:3]

    changed = FlowContent(source.replace("It takes a few short texts.", "It takes some.", 1), translations, transcripts)
    began = time.perf_counter()
    check_drafts(big_flow.world_of(changed), [big_flow.NAME], line, big_flow.ZONE, big_flow.LINE_NAME)
    took["checked after a change"] = time.perf_counter() - began

    read = [read_transcript(text, name) for name, text in transcripts.items()]
    took["texts"] = sum(one.kind is LineKind.PERSON for transcript in read for one in transcript.lines)
    library = world.library(big_flow.ZONE, big_flow.LINE_NAME, cards)
    began = time.perf_counter()
    for transcript in read:
        assert not replay(transcript, "", line, library, big_flow.ZONE)
    took["a text of a person"] = (time.perf_counter() - began) / took["texts"]
    print(json.dumps(took))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
