"""What a process has open: settings, database, queue, carriers, clock and the line's words. Doors open it once and hand
its parts down; nothing below the doors knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bot.carriers.carrier import Carrier
from bot.carriers.email import EmailCarrier
from bot.carriers.simulator import SimulatorCarrier
from bot.carriers.twilio import TwilioCarrier
from bot.carriers.twilio_client import Account
from bot.carriers.twilio_voice import TwilioVoiceCarrier
from bot.carriers.web_chat import WebChatCarrier
from bot.clock import Clock, DemoClock, SystemClock
from bot.domain.flow import Flow
from bot.domain.flow_reader import read_flow
from bot.domain.flow_translations import read_translations
from bot.domain.message import Channel
from bot.job_queue import JobQueue
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.flows import StoredFlow
from bot.storage.sealing import Sealer
from bot.storage.spool import Spool
from bot.usecases.desk import Desk
from bot.usecases.library import FlowCache
from bot.usecases.line import read_line
from bot.usecases.staff_words import read_staff_words


@dataclass(frozen=True, slots=True)
class Runtime:
    """Open for the life of the process; shared by its threads."""

    settings: Settings
    database: Database
    queue: JobQueue
    carriers: dict[Channel, Carrier]
    clock: Clock
    desk: Desk
    spool: Spool

    @classmethod
    def start(cls, settings: Settings, clock: Clock | None = None) -> Runtime:
        """Open everything; raises before anything is served where a rule file, a key or an address is wrong."""
        if settings.database_url is None or settings.redis_url is None:
            raise ValueError("DATABASE_URL and REDIS_URL must be set here; `make run` sets them for its children.")
        sealer = Sealer(settings.encryption_keys, settings.secret_key)
        desk = Desk(
            line=read_line(settings.languages),
            cache=FlowCache(lambda stored: compile_flow(stored, settings)),
            sealer=sealer,
            staff_words=read_staff_words(),
            zone=settings.timezone,
            fold_accents=settings.fold_accents,
            resend_after=timedelta(seconds=settings.resend_after_seconds),
            line_number=settings.twilio_from or settings.twilio_messaging_service_sid or "warmline",
            staff_numbers=settings.staff_numbers,
            console_url=f"{settings.public_url}/console",
            hand_back_after=timedelta(minutes=settings.hand_back_minutes),
            holidays=settings.holidays,
            line_name=settings.line_name,
        )
        return cls(
            settings=settings,
            database=Database(settings.database_url, settings.web_threads + 4),
            queue=JobQueue(settings.redis_url),
            carriers=_carriers(settings),
            clock=clock or _clock(settings),
            desk=desk,
            spool=Spool(settings.spool_dir, sealer),
        )

    def close(self) -> None:
        self.database.close()
        self.queue.close()


def compile_flow(stored: StoredFlow, settings: Settings) -> Flow:
    """A stored version as it runs. Raises FlowError for a row that this code cannot read."""
    script = read_flow(stored.source, f"{stored.name} (version {stored.version})")
    translations = {
        language: read_translations(text, f"{stored.name} ({language})") for language, text in stored.translations.items()
    }
    return Flow(script, translations, stored.version, settings.timezone, settings.line_name)


def _clock(settings: Settings) -> Clock:
    return DemoClock(settings.data_dir / "clock") if settings.is_demo else SystemClock()


def _carriers(settings: Settings) -> dict[Channel, Carrier]:
    carriers: dict[Channel, Carrier] = {Channel.WEB: WebChatCarrier(), Channel.SIMULATOR: SimulatorCarrier()}
    if settings.is_demo:
        carriers |= {Channel.EMAIL: SimulatorCarrier(), Channel.VOICE: SimulatorCarrier()}
    if settings.smtp_url:
        carriers[Channel.EMAIL] = EmailCarrier(settings.smtp_url, settings.mail_from or "")
    account = twilio_account(settings)
    if account:
        twilio = TwilioCarrier(
            account,
            messaging_service_sid=settings.twilio_messaging_service_sid or "",
            from_=settings.twilio_from or "",
            fold_accents=settings.fold_accents,
        )
        caller = next(iter(settings.staff_numbers), settings.twilio_from or "")
        voice = TwilioVoiceCarrier(account, settings.public_url, from_=caller)
        carriers |= {Channel.SMS: twilio, Channel.WHATSAPP: twilio, Channel.VOICE: voice}
    return carriers


def twilio_account(settings: Settings) -> Account | None:
    """Who we are to Twilio; None in a demo."""
    if not settings.uses_twilio:
        return None
    return Account(
        sid=settings.twilio_account_sid or "",
        username=settings.twilio_api_key or settings.twilio_account_sid or "",
        password=settings.twilio_api_secret or settings.twilio_auth_tokens[0],
        api_url=settings.twilio_api_url,
    )
