"""What social workers and the line do about a handoff: call, claim, write, pass on, hand back, close. One act a function.

Each locks the person's conversation first and the handoff after it, like a turn does, and commits nothing.
Nothing here decides what a resident's words mean (usecases/answer.py), and no carrier is known here.
"""

from bot.domain.handoff import DISPOSITIONS as DISPOSITIONS
from bot.usecases.answering.claiming import answer_offer as answer_offer
from bot.usecases.answering.claiming import claim as claim
from bot.usecases.answering.claiming import offer as offer
from bot.usecases.answering.claiming import pass_on as pass_on
from bot.usecases.answering.claiming import take_over as take_over
from bot.usecases.answering.common import Done as Done
from bot.usecases.answering.common import Refused as Refused
from bot.usecases.answering.ending import close as close
from bot.usecases.answering.ending import hand_back as hand_back
from bot.usecases.answering.ending import release as release
from bot.usecases.answering.ending import send_to_team as send_to_team
from bot.usecases.answering.writing import add_note as add_note
from bot.usecases.answering.writing import cancel_scheduled as cancel_scheduled
from bot.usecases.answering.writing import reach_out as reach_out
from bot.usecases.answering.writing import write as write
