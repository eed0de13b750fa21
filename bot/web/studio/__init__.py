"""The flow studio in the browser: the pages below /console/flows.

Each page works without scripts and is better with them. The rules are in `bot/usecases/studio/`; sign-in, forms and layout
are shared with the console (`bot/web/console/`).
"""
