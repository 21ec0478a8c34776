"""Files that frameworks leave beside a log, as declared facts.

Nothing here is executed: of YAML only plain values are taken, a Python configuration is read as a syntax tree, a pickle
is named and left alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from analyzer.accidents import told
from analyzer.config.framework_names import facts_from_mapping
from analyzer.config.plain_yaml import TooMuch, load_yaml
from analyzer.model import Fact, Problem
from analyzer.regular_files import TooLarge, text_of
from analyzer.written_numbers import loads_json

MOST_BYTES = 4_000_000  # a configuration is never larger; a data set is
NOT_READ = {
    "training_args.bin": "a pickle, never opened; export it with"
    " json.dump(training_args.to_dict(), open('training_args.json', 'w'), default=str)",
}
READ = re.compile(
    r"(?i)^(hparams|args|opt|config|cfg|params|hyperparams|hyp|training_args|all_results|train_results|eval_results"
    r"|(ds|deepspeed)([-_].*)?)\.(ya?ml|json)$|^config\.py$"
)


def is_sidecar(name: str) -> bool:
    """Whether a file of this name is a configuration rather than a log."""
    return name in NOT_READ or READ.match(name) is not None


def read_beside(paths: Iterable[Path]) -> tuple[tuple[Fact, ...], tuple[Problem, ...]]:
    """Facts of the sidecars in the order given, and those that are not read, each with the reason and what to do."""
    facts: list[Fact] = []
    problems: list[Problem] = []
    for path in paths:
        mapping, reason = read_sidecar(path)
        if mapping is not None:
            try:
                facts += facts_of_file(path.name, mapping)
            except Exception as error:  # a side file must never cost the log beside it
                reason = told(error)
        if reason:
            problems.append(Problem(source=str(path), kind="not-read", message=reason))
    return tuple(facts), tuple(problems)


def read_sidecar(path: Path) -> tuple[Mapping[str, Any] | None, str]:
    """What a sidecar says, and why it could not be read ("" when it could, or when it is none of ours)."""
    if path.name in NOT_READ:
        return None, NOT_READ[path.name]
    try:
        parsed = parse_sidecar(path.name, text_of(path, most=MOST_BYTES, errors="replace"))
    except TooLarge:
        return None, "too large for a configuration; its facts are not used"
    except OSError as error:
        return None, f"{error.strerror or error}; its facts are not used"
    except (RecursionError, MemoryError):
        return None, "nested too deeply; its facts are not used"
    except TooMuch as error:
        return None, f"{error}: no configuration says so much; its facts are not used"
    except Exception as error:  # YAML and JSON errors carry the place in their text
        return None, f"not valid {path.suffix[1:].upper()}: {_one_line(error)}; its facts are not used"
    return (parsed, "") if isinstance(parsed, Mapping) else (None, "")


def parse_sidecar(name: str, text: str) -> Any:
    """The content of a sidecar as plain dictionaries, lists and scalars; nothing in it is executed."""
    if name.endswith(".json"):
        return loads_json(text)
    if name.endswith(".py"):
        return _literals_of_python(text)
    return load_yaml(text)


def _literals_of_python(text: str) -> dict[str, Any]:
    """Top-level ``name = literal`` and ``name = dict(...)`` of a configuration (mmengine); the rest is left out."""
    found = {}
    for statement in ast.parse(text).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]):
                value = _literal(statement.value)
                if value is not None:
                    found[name] = value
    return found


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {keyword.arg: _literal(keyword.value) for keyword in node.keywords if keyword.arg}
    if isinstance(node, ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
        return {key: _literal(value) for key, value in zip(keys, node.values, strict=True) if isinstance(key, str)}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:120]


def facts_of_file(name: str, mapping: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Facts of one file, by what kind of file it is."""
    of_a_model = {"model_type", "architectures", "transformers_version"} & set(mapping)
    if of_a_model and "per_device_train_batch_size" not in mapping:
        return ()  # the model's configuration, not the training's; W&B writes both into one
    if name in ("all_results.json", "train_results.json"):
        samples = mapping.get("train_samples")  # the example scripts of transformers: rows of the training set
        return (Fact(key="dataset_size", value=int(samples), found_in=f"{name}: train_samples"),) if samples else ()
    if name == "eval_results.json":
        return ()
    return facts_from_mapping(mapping, name)
