"""The operations on a session, without a terminal: for the command line and any other caller.

Functions return values and raise the errors of `monitord.errors`; they print nothing. Every module is cheap
to import where `status` and `wait` need it.
"""
