"""Parley's labels, in the order used by heads, files and answers."""

ABUSE = (
    "toxicity",
    "severe_toxicity",
    "insult",
    "identity_attack",
    "profanity",
    "threat",
    "sexually_explicit",
)
SPAM = "spam"
COMMENT_LABELS = (*ABUSE, SPAM)
"""Labels of the comment pass, which reads the comment alone; one sigmoid each."""

OFF_TOPIC = "off_topic"
STANCES = ("favor", "against", "none")
"""The stances, labels of the pair pass; one softmax over the three."""

UNSURE = "unsure"
"""How counts name a stance whose label is null: the likeliest is a side, but too unlikely to be named."""

REPLIES = ("agree", "disagree", "none")
"""Labels of a reply towards its parent, on request; one softmax over the three."""
