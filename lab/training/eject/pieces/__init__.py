"""The pieces of an ejected script, each a module that is read and checked like any other. ``compose.py`` joins their text to one file;
what they import from the lab then stands in the same file."""
