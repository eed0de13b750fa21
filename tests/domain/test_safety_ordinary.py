"""Sentences made up for this test, as people text a help line on any day: none may alarm or bring the question."""

from __future__ import annotations

import pytest

from bot.domain.safety import Level, assess
from tests.domain.safety_files import rules

ORDINARY = """
I'm dying to see you
this traffic is killing me
my battery is dead
I bombed my test
you're killing it
I'd kill for a coffee
my feet are killing me
dead tired from work
I need to kill some time before my appointment
my landlord is killing me with these late fees
my dog died and I need help with cremation
my husband died and I need help with funeral costs
my mom passed away, how do I get a death certificate
I am behind on my bills and scared
I got a shutoff notice
we are homeless and sleeping in our car
I need diapers for my baby
do you know a suicide prevention training
my car died
phone about to die
can I get my medication refilled
I need my pills refilled at the pharmacy
I need help with my meds
I have to take my son to the ER for his asthma, need a ride
my food stamps were cut
they cut my hours again
i need a job
I want to go home
I can't pay rent this month
I can't do this form
I need to end my lease
how do I end my subscription
is the shelter safe
my kids are hungry
I have court tomorrow for eviction
I was hit by a car last year and can't work
my house was shot up last year I need to move
my son needs a coat
he hit my car and drove off
I had a heart attack last year and lost my job
I don't feel good about this landlord
Can someone call me
I need to talk to a worker about my case
kill the lights
shoot me a text
that's sick
I'm starving lol
murder mystery dinner
I missed the deadline
the deadline is killing me
the gas is off and it's cold
my baby needs formula
my landlord threatened to evict me
my landlord is harassing me
he gets out of jail next week
Hanging out with my kids
I work at Hangar Kitchen
me muero de hambre
necesito ayuda con la renta
me cortaron la luz
mi carro se murió
estoy muerta de cansancio
me mata el calor
necesito comida para mis hijos
no tengo dinero para la renta
quiero matar el tiempo
my landlord is going to kill me if im late on rent again lol
he is hitting me up for money
I hit my head on a cabinet and need a clinic
my son hit his growth spurt needs shoes
I got hit with a big water bill
need help getting a mattress
can you help with burial costs my grandmother died
my husband passed away in march and i cant pay the mortgage
funeral assistance
I lost my wallet and ID
I lost my job and everything is due
my car broke down and I am stuck
im stuck on this form
I am scared of losing my apartment
i'm worried about my kids school supplies
I'm worried about my son's grades
the shelter said they are full tonight
is there anywhere to sleep tonight
i need a safe place to park my car overnight
I want to get out of debt
how can I end my lease early
I want to break my lease
where can I get narcan
I need detox or rehab
i'm in recovery and need a meeting
I take medication for depression and need a refill
I have anxiety and need a therapist
looking for counseling for my daughter
my daughter has autism, need respite care
I need a ride to dialysis
I need a ride to the hospital for my appointment
my wife is pregnant, need prenatal care
need diapers and wipes
no heat in my apartment
my landlord shut off my water
there are bed bugs in my apartment
landlord wont fix the leak
there's mold and it's making us sick
ameren is cutting me off tomorrow
spire disconnected my gas
I got a summons
what do I do about a garnishment
I can't make it to the appointment
i wont be there today
i wont be here tomorrow can we reschedule
do you open on sunday
my phone will die soon
the deadline is tonight
they killed my benefits
my snap was stopped
I can't take the bus that far
I don't have anyone to watch my kids
I can't do mornings
tired of waiting on hold
I'm sick of this landlord
I am done with the application
I give up trying to reach them
nobody answers the phone
nobody told me I had to reapply
I hate my job
this process is a nightmare
my old boss still owes me a check
I was fired and need unemployment
how do I get my kids back from foster care
I need a lawyer for custody
my ex won't pay child support
my ex owes me child support
need a crib for my newborn
who can fix my roof
my roof is leaking
the bridge is closed how do I get there
i live near the train tracks on gravois
I jumped through all their hoops
I'm going to school for nursing
Thank you so much, you saved my life
God bless you
love you bye
good night
ok bye
hola necesito comida
me corrieron del trabajo
no tengo donde dormir
mi hijo necesita zapatos
necesito un doctor para mi bebé
cuánto cuesta
mi carro no prende
estoy embarazada y necesito ayuda
tengo una cita mañana
me robaron la cartera ayer
gracias adiós
se me acabó el gas
me quitaron las estampillas
mi esposo perdió su trabajo
mi esposo y yo necesitamos ayuda con la renta
mi hijo está enfermo y no tengo seguro
tengo miedo de perder mi casa
no puedo pagar la luz
"""


@pytest.mark.parametrize("text", ORDINARY.strip().split("\n"))
def test_it_lets_pass(text: str) -> None:
    found = assess(rules(), text)
    assert found.level <= Level.DISTRESS
    assert found.ask is None
