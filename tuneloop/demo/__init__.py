"""The whole loop once, on a sample log that comes with Tuneloop: the support desk of a made-up bicycle shop.

The shop (Larkfield Cycles), its customers and their messages are invented, written for this project. The log has the
faults of real ones: wrong and cut-off answers, duplicates, contradictions, personal data (reserved or published test
values), attempts at injection, mistaken ratings.
"""
