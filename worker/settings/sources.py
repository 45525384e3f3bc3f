"""Where settings come from: their precedence, and errors that name the source of a wrong value.

A value comes from the first of these that has it: a command-line flag (`--linger-ms`), the environment
(`SENTIMENT_LINGER_MS`; an empty variable does not count), a TOML file (`linger_ms = 5`; its path is in `--config` or
`SENTIMENT_CONFIG`), the default. A secret can be in a file: `SENTIMENT_SASL_PASSWORD_FILE=/run/secrets/kafka`.
The sources are merged here, not by pydantic-settings, because an error names the flag, variable or key that has the
wrong value, and `sentiment-worker config` shows where each value came from.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ValidationError

from worker.errors import SettingsRejected
from worker.settings.schema import (
    ENV_PREFIX,
    MASK,
    Contradictions,
    Settings,
    allowed_values,
    env_name,
    flag_name,
    is_secret,
)

SECRET_FILES: Final = {f"{env_name(name)}_FILE": name for name in Settings.model_fields if is_secret(name)}
CONFIG: Final = "config"  # the path of the TOML file, as a flag or in the environment; not a setting
DEFAULT: Final = "default"  # the origin of a value that no source sets
MAX_SHOWN: Final = 100  # characters of a wrong value


class Given(NamedTuple):
    """A value from a source."""

    value: object
    spelled: str  # its name in the source: a flag, a variable, or a key with its file


@dataclass(frozen=True, slots=True)
class Effective:
    """The effective settings and the source of each."""

    settings: Settings
    origins: Mapping[str, str]  # of each setting: `spelled` of its source, or "default"

    def asked(self, name: str) -> bool:
        """Return whether a source sets the value."""
        return self.origins[name] != DEFAULT


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Merge the sources and validate the result.

    `flags` maps the names of settings, and `config`, to values of the command line; None means not given.
    Raises SettingsRejected, whose message has one line for each problem.
    """
    return load_effective(flags, environ).settings


def load_effective(flags: Mapping[str, object], environ: Mapping[str, str]) -> Effective:
    """Return the settings with the source of each value. See `load_settings`."""
    from_flags = {name: Given(value, flag_name(name)) for name, value in flags.items() if value is not None}
    from_env, problems = _read_environment(environ)
    given = from_env | from_flags  # flags win
    from_file, more_problems = _read_file(given.pop(CONFIG)) if CONFIG in given else ({}, [])
    problems += more_problems
    given = from_file | given
    try:
        settings = Settings.model_validate({name: _as_text(value) for name, (value, _) in given.items()})
    except ValidationError as exc:
        # Not chained, because the original error contains the values, secrets included.
        raise SettingsRejected(_summary(problems + list(_problems_of(exc, given)))) from None
    if problems:
        raise SettingsRejected(_summary(problems))
    origins = {name: given[name].spelled if name in given else DEFAULT for name in Settings.model_fields}
    return Effective(settings, origins)


def _read_environment(environ: Mapping[str, str]) -> tuple[dict[str, Given], list[str]]:
    known = {env_name(name): name for name in (*Settings.model_fields, CONFIG)}
    # If there is a service `sentiment-worker`, Kubernetes sets SENTIMENT_WORKER_SERVICE_HOST and others in each pod.
    suffix = "SERVICE_HOST"
    services = tuple(name.removesuffix(suffix) for name in environ if name.endswith(f"_{suffix}"))
    given: dict[str, Given] = {}
    problems: list[str] = []
    for name, value in environ.items():
        if name in SECRET_FILES:
            if value:
                secret, more_problems = _read_secret(name, Path(value), environ)
                given |= secret
                problems += more_problems
        elif name in known:
            if value:
                given[known[name]] = Given(value, name)
        elif name.startswith(ENV_PREFIX) and not name.startswith(services):
            problems.append(f"{name}: no such setting{_did_you_mean(name, known | SECRET_FILES)}")
    return given, problems


def _read_secret(variable: str, path: Path, environ: Mapping[str, str]) -> tuple[dict[str, Given], list[str]]:
    name = SECRET_FILES[variable]
    if environ.get(env_name(name)):
        return {}, [f"{env_name(name)} and {variable}: give one of them"]
    try:
        text = path.read_text("utf-8")
    except OSError as exc:
        return {}, [f"{variable} = {str(path)!r}: cannot be read: {exc.strerror}"]
    except ValueError:  # its message quotes the content of the file
        return {}, [f"{variable} = {str(path)!r}: is not text"]
    return {name: Given(text.removesuffix("\n").removesuffix("\r"), variable)}, []


def _read_file(config: Given) -> tuple[dict[str, Given], list[str]]:
    path = Path(str(config.value))
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        return {}, [f"{config.spelled} = {str(path)!r}: cannot be read: {exc.strerror}"]
    except ValueError as exc:  # not TOML, or not even UTF-8
        return {}, [f"{config.spelled} = {str(path)!r}: is not TOML: {exc}"]
    given, problems = {}, []
    for key, value in table.items():
        spelled = f"{path}: {key}"
        if key in Settings.model_fields:
            given[key] = Given(value, spelled)
        else:
            problems.append(f"{spelled}: no such setting{_did_you_mean(key, Settings.model_fields)}")
    return given, problems


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    by_stem = {each.removeprefix(ENV_PREFIX): each for each in known}  # the common prefix makes all names similar
    similar = get_close_matches(name.removeprefix(ENV_PREFIX), by_stem, n=1)
    return f"; did you mean {by_stem[similar[0]]}?" if similar else ""


def _as_text(value: object) -> object:
    """Convert a typed TOML value to the text that a flag or a variable has, so that all are parsed alike."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _problems_of(error: ValidationError, given: Mapping[str, Given]) -> Iterator[str]:
    for detail in error.errors(include_input=False, include_url=False):
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, Contradictions):
            for names, rule in cause.found:
                yield f"{' and '.join(_shown(name, given) for name in names)}: {rule}"
        else:
            name = str(detail["loc"][0])
            yield f"{_shown(name, given)}: must be {allowed_values(name)}"


def _shown(name: str, given: Mapping[str, Given]) -> str:
    if name not in given:
        default = Settings.model_fields[name].default
        return f"{env_name(name)} {'not set' if default is None else f'= {default!r} (default)'}"
    value, spelled = given[name]
    return f"{spelled} = {MASK if is_secret(name) else _without_secrets(repr(_as_text(value)))[:MAX_SHOWN]}"


def _without_secrets(refused: str) -> str:
    """Mask the login and the query of a URL."""
    return re.sub(r"""(?<=//).*(?=@)|(?<=\?)[^'"]+""", MASK, refused)


def _summary(problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return "\n  ".join([f"{len(problems)} settings are wrong", *problems])
