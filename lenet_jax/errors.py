"""The one exception that is shown to a user as a single line."""


class UserError(Exception):
    """A mistake the user can mend: the message names the place and says what to do.

    Programs print it on standard error as one line, without a traceback, and exit with status 2.
    """
