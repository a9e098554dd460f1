"""What is true lives here: the database (``database``, ``runs``) and the folder of each run (``run_folder``).

Nothing is imported by this file, so that a worker which only writes a folder does not load a database.
"""
