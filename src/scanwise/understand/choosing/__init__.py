"""How `ask` chooses among things: what a sentence says, what speaks for each thing, and how sure the choice is.

    query = parse("the brown chair between the desk and the window")     # phrases.py
    candidates = candidates_of(things, ...)                               # candidates.py
    evidence = Evidence(candidates, query, ...)                           # evidence.py, relations.py
    ranker(evidence)                                                      # ranker.py

Nouns are told by the votes of labels, relations by geometry, the rest by LESS's mask; a small ranker learned from masks
alone weighs them.
"""
