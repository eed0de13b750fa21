"""The staff's sign-in: password, second factor, the city's OpenID Connect, invitations, and lockout.
Flask-Security handles passwords, codes and sessions; we use it through our own views, for the reasons in security.py.
What a signed-in staff member may do is decided in console/access.py."""
