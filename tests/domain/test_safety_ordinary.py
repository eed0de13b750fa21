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
i'm so hungry i could eat a horse
my kids are driving me crazy
this heat is killing me
my boss is killing me
my back is killing me
drop dead gorgeous
you slay
I shot my shot
the music was sick
I'd die for some tacos
dying of laughter
dead lol
i'm dead 😂
bored to death
scared to death of spiders
worked to death this week
my tv is shot
time to kill
killer deal
that test murdered me
he killed it on stage
my computer crashed
my hair cut was bad
i cut my budget
cut off notice from ameren
gas cutoff
my hours got cut in half
knife sharpening
need a knife set for new apartment
where can I get a gun lock
gun violence program for my nephew
violence interrupter program
pills are ready at walgreens
I need help paying for my insulin
my mom has dementia and needs care
dad is in hospice
grandma died last week
my uncle was shot last year and we need help with bills
my brother was killed and I need funeral help
my son was murdered in 2019 looking for a support group
grief support group
looking for AA meetings
suboxone clinic near me
need mental health services
need therapy for ptsd
free counseling
my daughter needs glasses
I am disabled and on SSI
I use a wheelchair
I just got out of jail and need a job
expungement help
I need a bus pass
need furniture
my fridge died
my ac died
no hot water
the water is brown
kids need coats
back to school supplies
I can't afford my medicine
I can't afford food
I can't take care of my mom by myself anymore
i have no one to watch my kids
i have nowhere to go
I have nothing to eat
I need food now
we have no money left
nothing left in my account
I'm worried we'll end up on the street
afraid of losing my house
I'm scared I'll get evicted
my landlord threatens to put me out
my landlord came in my apartment without notice
someone stole my check
someone broke into my car last week
got robbed last month lost rent money
I need to escape this debt
end of the month
until the end of the week
the end
goodbye
bye
i'm done
I'm finished with the form
that's all thanks
nope im good
I will be gone by 5pm
I'll be gone tomorrow, can you call Friday
I have a plan with Spectrum that I can't pay
do you have a payment plan
I made a plan with ameren to pay it off
we have the date set for the hearing
my final notice says they shut off friday
final notice from spire
last chance before eviction
tonight is the last night at the hotel
today is our last day in the motel and we have nowhere to go
my last check was short
I wrote a letter to my landlord
I left the keys and a note
I wrote a letter to the judge
my sister is watching my kids
he is my caseworker
she takes my phone calls at work
he has a knife collection for sale
my husband has a hammer can he fix it himself
the man has a bat as a pet
he took my keys by accident
my boyfriend moved out and I can't pay alone
my boyfriend lost his job
my husband is in jail
my husband left us
my ex left me with the bills
my ex is behind on support
I'm leaving my husband and need an apartment
separated and need a place
divorce lawyer
I need to get my son away from that school
my son gets bullied at school
my daughter was suspended
my kid has a fever
my baby has a cough where is a clinic
my mom had a stroke in may and needs a wheelchair ramp
my dad had a seizure last month
I have seizures and can't drive
I have epilepsy
I have asthma and need an inhaler
I need my inhaler
I'm diabetic and need insulin help
I have a broken leg and can't work
I broke my arm at work
I hurt my back at work
workers comp
I was injured in a car accident
my car got hit
somebody hit my car
I was shot in 2015 and I'm disabled
I'm a veteran with PTSD
my anxiety is bad, need a therapist
I take meds for depression
can't sleep because of bed bugs
I'm tired
I'm exhausted working two jobs
so stressed
i feel overwhelmed with bills
im really stressed about rent
I cry every time I open the mail
I don't know what to do
I don't know what else to do
I can't do this alone
I need someone to help me
please help me find housing
please help my family
can somebody help me with my light bill
I'm desperate for rent help
I'm at the end of my unemployment
my benefits end tomorrow
my lease ends tonight
when does it end
I want this over with
ready to go
I give up on that agency
I lost hope with section 8
there is no point in applying
waste of time
what's the point of applying if they never answer
nobody cares about renters
nobody helps
I hate this city
I hate my apartment
I hate asking for help
I'm sorry for bothering you
sorry for everything
sorry to be a burden
I don't want to be a burden on my kids
I'd rather die than go back to that shelter
I would kill for a home cooked meal
if looks could kill
my power is dead
the phone is dead at the office
dead end job
dead tree in the yard
tree fell on my house
my roof collapsed
gas leak smell
carbon monoxide alarm went off and now it's fixed
need a carbon monoxide detector
smoke detectors free
fire burned our house, we lost everything
house fire last week need help
flood took all of our stuff
the storm took all my food
I took all my documents to the office
I took a bunch of classes
the police took my car
the cops never came
I called the police on my neighbor for noise
need a police report copy
is 911 for that
I called 211 already
988 is that for veterans
Who do I text for rent
Hello
hi I need some assistance please
can you jump my car
jump start
need a jump
I cut grass for a living
I do hair, cut and color
cutting back on spending
I burned my hand cooking, is there a free clinic
I cut my finger need stitches
overdose prevention class
my cousin died of an overdose last year and I want to volunteer
want to volunteer for the crisis line
do you have suicide prevention training for churches
my son committed suicide two years ago, need a grief group
my dad killed himself when I was 10, looking for counseling
domestic violence training for staff
my rent is killing us
utilities are killing us
my job is taking all my energy
I want to end my services with you
I need to end my marriage
it's the end of the world for my car
I can't live on 900 a month
can't live without AC in this heat
can't go on vacation lol
I won't make it to the food pantry before 5
I won't make it tomorrow
I don't think I'll make it on time
I won't survive another winter without heat
we are not going to make it this month
how long do I have to wait
how much longer until someone calls
I've been on hold forever
waiting forever
nothing to live on
nothing to look forward to but bills
"""


@pytest.mark.parametrize("text", ORDINARY.strip().split("\n"))
def test_it_lets_pass(text: str) -> None:
    found = assess(rules(), text)
    assert found.level <= Level.DISTRESS
    assert found.ask is None
