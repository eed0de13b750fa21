"""What a process has open: settings, database, queue, carriers, clock and the system texts. Entry points (web, jobs,
commands) open it once and pass its parts down; use cases, storage and the domain do not know of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bot.carriers.carrier import Carrier
from bot.carriers.email import EmailCarrier
from bot.carriers.simulator import SimulatorCarrier
from bot.carriers.twilio.client import TwilioAccount
from bot.carriers.twilio.texts import TwilioCarrier
from bot.carriers.twilio.voice import TwilioVoiceCarrier
from bot.carriers.web_chat import WebChatCarrier
from bot.domain.flows.language.flow import Flow
from bot.domain.flows.language.reader import read_flow
from bot.domain.flows.language.translations import read_translations
from bot.domain.messages.message import Channel
from bot.operations.clock import Clock, DemoClock, SystemClock
from bot.operations.job_queue import JobQueue
from bot.operations.settings.settings import Settings
from bot.storage.database import Database
from bot.storage.flows.flows import StoredFlow
from bot.storage.sealing import Sealer
from bot.storage.spool import Spool
from bot.usecases.context import Context
from bot.usecases.directory.words import read_directory_words
from bot.usecases.flows.library import FlowCache
from bot.usecases.offered_languages import read_offered_languages
from bot.usecases.staff_words import read_staff_texts
from bot.usecases.studio.trial.try_flow import read_trial_words
from bot.usecases.system_texts import read_system_texts


@dataclass(frozen=True, slots=True)
class Runtime:
    """Open as long as the process lives; shared by its threads."""

    settings: Settings
    database: Database
    queue: JobQueue
    carriers: dict[Channel, Carrier]
    clock: Clock
    context: Context
    spool: Spool

    @classmethod
    def start(cls, settings: Settings, clock: Clock | None = None) -> Runtime:
        """Open everything. Raises, before the first request is served, where a rule file, a key or an address is wrong."""
        if settings.database_url is None or settings.redis_url is None:
            raise ValueError("DATABASE_URL and REDIS_URL must be set here; `make run` sets them for its children.")
        sealer = Sealer(settings.encryption_keys, settings.secret_key)
        # Kept after the first reading; read here so that a mistake in the files prevents the start.
        read_directory_words()
        read_trial_words()
        read_offered_languages()
        context = Context(
            system_texts=read_system_texts(settings.languages),
            flow_cache=FlowCache(lambda stored: compile_flow(stored, settings)),
            sealer=sealer,
            staff_texts=read_staff_texts(),
            zone=settings.timezone,
            fold_accents=settings.fold_accents,
            resend_after=timedelta(seconds=settings.resend_after_seconds),
            public_number=settings.twilio_from or settings.twilio_messaging_service_sid or "warmline",
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
            carriers=_make_carriers(settings),
            clock=clock or _make_clock(settings),
            context=context,
            spool=Spool(settings.spool_dir, sealer),
        )

    def close(self) -> None:
        self.database.close()
        self.queue.close()


def compile_flow(stored: StoredFlow, settings: Settings) -> Flow:
    """Compile a stored flow version. Raises FlowError for a row that this code cannot read."""
    script = read_flow(stored.source, f"{stored.name} (version {stored.version})")
    translations = {
        language: read_translations(text, f"{stored.name} ({language})") for language, text in stored.translations.items()
    }
    return Flow(script, translations, stored.version, settings.timezone, settings.line_name)


def _make_clock(settings: Settings) -> Clock:
    return DemoClock(settings.data_dir / "clock") if settings.is_demo else SystemClock()


def _make_carriers(settings: Settings) -> dict[Channel, Carrier]:
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


def twilio_account(settings: Settings) -> TwilioAccount | None:
    """Our Twilio account; None in a demo."""
    if not settings.uses_twilio:
        return None
    return TwilioAccount(
        sid=settings.twilio_account_sid or "",
        username=settings.twilio_api_key or settings.twilio_account_sid or "",
        password=settings.twilio_api_secret or settings.twilio_auth_tokens[0],
        api_url=settings.twilio_api_url,
    )
