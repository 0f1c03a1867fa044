"""From text to token ids: markup, disguises and emoji, language, tokenisation."""
