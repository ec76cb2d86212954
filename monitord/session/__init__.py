"""The session: its folder, its settings, and the one daemon that may write to it."""
