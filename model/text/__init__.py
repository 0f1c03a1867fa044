"""From text as sent to token ids: markup, disguises and emoji, language, tokenization."""
