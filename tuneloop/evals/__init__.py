"""OpenAI's evals: what is tested (an eval), one pass over rows of data (a run), and what became of each row.

`definitions` and `runs` have the verbs of the two nouns, `running` does a run's work.
"""
