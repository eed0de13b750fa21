"""Publish flow files: each changed one becomes a new immutable version, all in one transaction.

The console wins over files (docs/decisions/console-wins-over-files.md): a version published in the console is not
overwritten by the files at the next start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from bot.storage.flows import flows
from bot.usecases.flows.files import FlowFolder


@dataclass(frozen=True, slots=True)
class PublishedFiles:
    """The result. `changed` and `kept` are names of flows; `said` has a sentence for each kept one that says why."""

    changed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def publish_flows(
    db: Session,
    folder: FlowFolder,
    by: str,
    now: datetime,
    *,
    overwrite: bool = False,
    how: str = flows.PublicationMethod.FILES,
) -> PublishedFiles:
    """Publish the files that have changed. Conversations stay on the version on which they began.

    A flow that was last published in the console is kept, unless `overwrite`.
    """
    flows.lock_publishing(db)
    done = PublishedFiles()
    for name, flow in folder.flows.items():
        holds = flows.current_publication(db, name)
        if holds is not None and holds.how not in flows.FILE_METHODS and not overwrite:
            stored = flows.load_version(db, holds.version)
            if stored is None or flows.content_digest(stored.content) != flows.content_digest(flow.content):
                done.kept.append(name)
                done.reasons.append(_why_kept(name, holds))
            continue
        if flows.publish(db, name, flow.content, by, now, how=how) is not None:
            done.changed.append(name)
    return done


def _why_kept(name: str, holds: flows.Publication) -> str:
    did = "rolled back" if holds.how == flows.PublicationMethod.ROLLED_BACK else "changed"
    return f"`{name}` was {did} in the console on {holds.at:%Y-%m-%d}: pull it, or publish with --overwrite."
