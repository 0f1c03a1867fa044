"""The errors of `training`.

TrainingError
├── ConfigError       a training YAML can't be used
├── SourceError       a source's folder or file is missing or malformed
├── DataError         a site's own file of labelled comments can't be used
├── BaseModelError    the encoder to start from can't be loaded
└── RunError          a run folder can't be resumed, exported or evaluated

A message says where the problem is, what it is and how to fix it.
"""


class TrainingError(Exception):
    """Base class of every error that `training` raises on purpose."""


class ConfigError(TrainingError):
    """A training YAML that can't be used."""


class SourceError(TrainingError):
    """A source's folder or file is missing or malformed."""


class DataError(TrainingError):
    """A site's own file of labelled comments can't be used."""


class BaseModelError(TrainingError):
    """The encoder to start from can't be loaded."""


class RunError(TrainingError):
    """A run folder that can't be resumed, exported or evaluated."""
