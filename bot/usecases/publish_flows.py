"""Flow files become live: each changed one a new immutable version, all of them in one transaction.

Files seed, the console wins (docs/decisions/console-wins-over-files.md): what somebody published in the console is not
overwritten by the files of the next start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from bot.storage import flows
from bot.usecases.flow_files import Folder


@dataclass(frozen=True, slots=True)
class Published:
    """What became of the files. `changed` and `kept` are names of flows; `said` tells in a sentence why each was kept."""

    changed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def publish_flows(
    db: Session, folder: Folder, by: str, now: datetime, *, overwrite: bool = False, how: str = flows.How.FILES
) -> Published:
    """Publish the files that have changed. Conversations stay on the version on which they began.

    A flow whose version was published in the console is kept as it is, unless `overwrite` says otherwise.
    """
    flows.lock_publishing(db)
    done = Published()
    for name, flow in folder.flows.items():
        holds = flows.holding(db, name)
        if holds is not None and holds.how not in flows.OF_FILES and not overwrite:
            stored = flows.load(db, holds.version)
            if stored is None or flows.digest_of(stored.content) != flows.digest_of(flow.content):
                done.kept.append(name)
                done.said.append(_why_kept(name, holds))
            continue
        if flows.publish(db, name, flow.content, by, now, how=how) is not None:
            done.changed.append(name)
    return done


def _why_kept(name: str, holds: flows.Publication) -> str:
    did = "rolled back" if holds.how == flows.How.ROLLED_BACK else "changed"
    return f"`{name}` was {did} in the console on {holds.at:%Y-%m-%d}: pull it, or publish with --overwrite."
