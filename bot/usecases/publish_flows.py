"""Flows become live: each changed file a new immutable version, all of them in one transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bot.storage import flows
from bot.usecases.flow_files import Folder


def publish_flows(db: Session, folder: Folder, by: str, now: datetime) -> list[str]:
    """Publish what has changed; returns the names. Conversations stay on the version on which they began."""
    changed = []
    for name, flow in folder.flows.items():
        if flows.publish(db, name, flow.source, flow.translations, by, now) is not None:
            changed.append(name)
    return changed
