"""The one error that speaks to the user."""


class InputError(ValueError):
    """What the user gave cannot be used.

    The message is one finished sentence: which argument, what was expected, what came, what to try.
    """
