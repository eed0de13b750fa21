"""PostgreSQL and Valkey from Python packages, for a machine that has neither: real servers, started and stopped with us.

A server that was killed is cleaned up at the next start.
Where `DATABASE_URL` and `REDIS_URL` are set, nothing here is used.
"""
