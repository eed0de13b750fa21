"""Handoffs: open, alert, claim, reply, transfer, hand back, close. One public function for each act.

Each locks the person's conversation first and the handoff after it, as a turn does, and none commits.
What a person's text means is decided elsewhere (usecases/answer.py), and carriers are not known here.
"""

from bot.domain.handoff import DISPOSITIONS as DISPOSITIONS
from bot.usecases.answering.claiming import answer_offer as answer_offer
from bot.usecases.answering.claiming import claim as claim
from bot.usecases.answering.claiming import offer_to_colleague as offer_to_colleague
from bot.usecases.answering.claiming import decline as decline
from bot.usecases.answering.claiming import take_over as take_over
from bot.usecases.answering.common import HandoffResult as HandoffResult
from bot.usecases.answering.common import Refused as Refused
from bot.usecases.answering.ending import close as close
from bot.usecases.answering.ending import hand_back as hand_back
from bot.usecases.answering.ending import release as release
from bot.usecases.answering.ending import send_to_team as send_to_team
from bot.usecases.answering.writing import add_note as add_note
from bot.usecases.answering.writing import cancel_scheduled as cancel_scheduled
from bot.usecases.answering.writing import reach_out as reach_out
from bot.usecases.answering.writing import send_text as send_text
