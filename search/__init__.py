"""The engine room: what to train next, where, and what came of it."""
