"""The errors of `training`.

TrainingError
├── ConfigError       a training YAML that can't be used: place, problem, fix
├── SourceError       a source's folder or file is missing or not as expected
├── DataError         a site's own file of labelled comments can't be used: place, problem, fix
├── BaseModelError    the encoder to start from can't be loaded
└── RunError          a run folder that can't be resumed, exported or evaluated
"""


class TrainingError(Exception):
    """Base of every error that `training` raises on purpose; the message says what to do."""


class ConfigError(TrainingError):
    """A training YAML that can't be used."""


class SourceError(TrainingError):
    """A source's folder or file is missing or not as expected."""


class DataError(TrainingError):
    """A site's own file of labelled comments can't be used."""


class BaseModelError(TrainingError):
    """The encoder to start from can't be loaded."""


class RunError(TrainingError):
    """A run folder that can't be resumed, exported or evaluated."""
