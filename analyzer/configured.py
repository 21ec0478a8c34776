"""The settings of one run: the configuration files that lie where it lies, checked against the rules that there are."""

from __future__ import annotations

from pathlib import Path

from analyzer.auditing import checked_codes
from analyzer.config.files import BadConfig, Settings, settings_for
from analyzer.model import Run


def settings_of(run: Run, chosen: Path | None = None, *, isolated: bool = False) -> Settings:
    """What is configured for a run: by the files beside and above it, by the chosen one alone, or by none.

    Raises:
        BadConfig: when a configuration cannot be followed.
    """
    return Settings() if isolated else checked_settings(settings_for(folder_of(run), chosen))


def checked_settings(settings: Settings) -> Settings:
    """The settings, in which every code must match a rule: a misspelt one would silently do nothing.

    Raises:
        BadConfig: when one does not.
    """
    own = [((*(settings.select or ()), *settings.ignore), "[rules]")]
    own += [((silence.rule,), f"{silence.found_in}: [[silence]]") for silence in settings.silences]
    for codes, where in own:
        try:
            checked_codes(codes, where)
        except ValueError as error:
            raise BadConfig(str(error)) from error
    return settings


def folder_of(run: Run) -> Path:
    """Where the configuration of a run is looked for: the folder of its first source."""
    path = Path(run.sources[0].path) if run.sources else Path()
    return path if path.is_dir() else path.parent
