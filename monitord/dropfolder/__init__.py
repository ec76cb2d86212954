"""Drop folders: reading files that anybody may write, at any time, into a shared folder."""
