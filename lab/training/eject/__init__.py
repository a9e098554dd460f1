"""A run as a script that needs no lab: the pieces that it is put together from, and what is written beside it."""
