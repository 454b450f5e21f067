"""Errors that are the user's to mend: one line that names the file or value, the expected and the found."""


class KitError(Exception):
    """A mistake that the user can mend. The command line prints its text without a traceback and ends with exit code 2."""


class DatasetError(KitError):
    """A data set folder that is missing, incomplete or unreadable."""


class SettingError(KitError):
    """An unknown or impossible method, profile, setting or protocol."""


class CheckpointError(KitError):
    """A checkpoint or run folder that is missing, truncated or belongs to something else."""


class TrainingError(KitError):
    """Training that cannot go on, such as a loss term that became NaN."""
