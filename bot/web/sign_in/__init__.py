"""Here live the doors of the staff: password, second factor, the city's own sign-in, invitations, and who is shut out.
Flask-Security keeps passwords, codes and sessions; our own views ask it, for the reasons given in security.py.
Nothing that happens behind the door belongs here: what somebody may do once they are in is asked in console/access.py."""
