"""One page for the morning: what a night brought, what became of it, and what needs a person."""
