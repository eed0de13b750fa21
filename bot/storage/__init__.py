"""What is remembered: PostgreSQL through SQLAlchemy, as functions that take an open session and never commit.

Words and numbers of people are sealed before they reach a row (`sealing.py`), and opened on the way out.
No rule of the help line lives here, no carrier, no queue and no web framework.
"""

# Both halves of the schema know each other by name; whoever touches storage has both.
from bot.storage import case_tables as case_tables
from bot.storage import directory_tables as directory_tables
from bot.storage import staff_tables as staff_tables
from bot.storage import studio_tables as studio_tables
from bot.storage import tables as tables
