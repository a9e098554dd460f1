"""A comparison as one self-contained HTML page, or as CSV, to be handed out.

The page opens from disk, asks no network for anything and runs no script: its curves are inline SVG, and language, theme and axis are
switched by style rules. Every number in it comes from run folders. Not here: the Compare tab, which draws the same with plotly.
"""

from lab.compare.report.csv_rows import csv_of
from lab.compare.report.page import Source, labels_of, report_html

__all__ = ["Source", "csv_of", "labels_of", "report_html"]
