"""The exceptions that are shown to a user as a single line."""


class UserError(Exception):
    """A mistake the user can mend: the message names the place and says what to do.

    Programs print it on standard error as one line, without a traceback, and exit with status 2.
    """


class Incomplete(Exception):
    """The job is done but for what could not be read, each of which has been named.

    Programs print it on standard error as one line and exit with status 3.
    """
