"""Storage: PostgreSQL through SQLAlchemy, as functions that take an open session and never commit.

People's words and numbers are encrypted ("sealed") before they are stored (`sealing.py`) and decrypted when read.
No business rules, carriers, queues or web code belong here.
"""

# The table modules refer to each other by table name, so importing storage must load all of them.
from bot.storage.tables import cases as cases
from bot.storage.tables import directory as directory
from bot.storage.tables import residents as residents
from bot.storage.tables import staff as staff
from bot.storage.tables import studio as studio
