"""The one exception that means "the user can mend this"."""


class InputError(ValueError):
    """Bad input. The message is one line that names the file or key and says what to do."""
