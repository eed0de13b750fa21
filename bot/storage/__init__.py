"""Storage: PostgreSQL through SQLAlchemy, as functions that take an open session and never commit.

People's words and numbers are encrypted ("sealed") before they are stored (`sealing.py`) and decrypted when read.
No business rules, carriers, queues or web code belong here.
"""

# The table modules refer to each other by table name, so importing storage must load all of them.
from bot.storage import case_tables as case_tables
from bot.storage import directory_tables as directory_tables
from bot.storage import staff_tables as staff_tables
from bot.storage import studio_tables as studio_tables
from bot.storage import tables as tables
