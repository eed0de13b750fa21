"""A minimal Flask page as the baseline: one route, one template with a table of thirty rows."""

from __future__ import annotations

from flask import Flask, render_template

from benchmarks.instance import HERE

app = Flask(__name__, template_folder=str(HERE))
ROWS = [{"number": number, "name": f"Person {number}", "state": "waits", "since": f"{number} min"} for number in range(30)]


@app.get("/")
def page() -> str:
    return render_template("bare.html", rows=ROWS)
