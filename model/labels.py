"""Parley's labels, in the order that heads, files and answers share."""

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
"""Labels of the comment pass, from the comment alone, one sigmoid each."""

OFF_TOPIC = "off_topic"
STANCES = ("favor", "against", "none")
"""Labels of the pair pass, one softmax over the three."""

UNSURE = "unsure"
"""Name in counts of a stance whose label is null: a side is likeliest but not likely enough to be named."""

REPLIES = ("agree", "disagree", "none")
"""Labels of a reply towards its parent, one softmax over the three; on request."""
