"""FastAPI around the Blocks that ``app.py`` hands it: sign-in, access, live events, health. See ``application.py``."""
