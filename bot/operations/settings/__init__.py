"""Settings from environment variables: read, checked together, and described.

An invalid value stops the start with a sentence that names the variable and the remedy.
No other module reads the environment for a setting.
"""
