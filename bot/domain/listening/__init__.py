"""What a person's words mean: the language they are in, and which of several choices they pick.

Everything is a rule over folded words: no model, no generated text, and the same answer every time.
Danger is read in `safety/`, and answers to a question that asks for a value in `conversation/answers.py`.
"""
