"""The flow studio in the browser: the pages below /console/flows.

Each page works without a script and gets better with one. What a page may do is decided in `bot/usecases/studio/`; sign-in,
forms and the frame around are the console's (`bot/web/console/`).
"""
