"""Which addresses belong to one person: the evidence, the rules, and what follows from them."""
