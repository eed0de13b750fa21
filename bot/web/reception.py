from bot.reception import Reception, outage_text, receive, replay, take  # noqa: F401
