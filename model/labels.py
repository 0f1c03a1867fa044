"""The labels Parley gives, in the one order that heads, files and answers share."""

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
"""What the comment pass judges from the comment alone, one sigmoid each."""

OFF_TOPIC = "off_topic"
STANCES = ("favor", "against", "none")
"""What the pair pass judges, one softmax over the three."""

UNSURE = "unsure"
"""What counts call a stance whose label is null: a side is likeliest, but not likely enough to be named."""

REPLIES = ("agree", "disagree", "none")
"""What a reply says to its parent, one softmax over the three; judged when asked."""
