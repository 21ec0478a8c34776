"""Which readings are one run: by what they say, not by where they lie.

Default: the logs of one run's folder are one run. Separate runs come out only where the content shows it: a later event
file that starts everything over, tables with the same columns and other numbers, trainer states without a common
history. Two writers at once, replayed steps and counters that restart stay in one run: those are findings, and a
finding needs both sides in one view.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from analyzer.model import NO_STEP, Floats, Run, Series, Source, View
from analyzer.readers import Reading
from analyzer.roles import role_of_tag

ANOTHER_RUN = "another run in the same folder"
MAIN_SPLITS = ("", "train", "training")  # folders whose tags keep their names
OTHER_SPLITS = ("validation", "val", "valid", "eval", "evaluation", "test")
SPLIT_WORD = re.compile(r"(?i)(?:^|[_.-])(train(?:ing)?|val(?:id(?:ation)?)?|eval(?:uation)?|test|dev)(?=[_.-]|$)")
TENSORBOARD_EXPORT = re.compile(r"^(?:run-)?(?P<run>.*?)-tag-(?P<tag>.+?)(?: ?\(\d+\))?\.csv$")
# A life whose first losses lie this far back towards where the first life began, out of (begin - end), started afresh;
# resumed lives with a reset counter lie below 0.04, fresh ones above 0.94.
FRESH_POSITION = 0.6
ROWS_TO_JUDGE = 8  # loss rows that a life needs before its begin and end can be told apart
SAME_TAGS = 0.5  # share of common tags from which two tables are accounts of the same kind
SAME_VALUES = 0.5  # share of equal losses from which two accounts tell of one run


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """A reading and the folder that it speaks for."""

    path: Path
    folder: Path
    reading: Reading
    settings: str = ""  # the text of the configuration beside it

    @property
    def series(self) -> tuple[Series, ...]:
        return self.reading.series


@dataclass(kw_only=True, eq=False)
class Account:
    """What one logger told, in one or several files."""

    view: str
    kind: tuple[str, ...]  # accounts of one kind in one folder are different runs unless they continue each other
    pieces: list[Piece]
    prefixes: dict[Path, str] = field(default_factory=dict)  # piece -> what is put before its tags
    extra: list[Account] = field(default_factory=list)  # views of the same logger that cannot share tags with it
    notes: list[str] = field(default_factory=list)


def join(name: str, root: Path, pieces: Sequence[Piece]) -> list[Run]:
    """The runs that a group's readings are."""
    stores = [piece for piece in pieces if piece.reading.runs]
    plain = [piece for piece in pieces if not piece.reading.runs]
    runs = [_stored_run(name, piece, reading) for piece in stores for reading in _stored_readings(piece.reading)]
    bound = _bind(_accounts(plain)) if plain else []
    titles = _titles(name, root, bound)
    return [_run(title, accounts) for title, accounts in zip(titles, bound, strict=True)] + runs


# Accounts


def _accounts(pieces: Sequence[Piece]) -> list[list[Account]]:
    """Accounts by kind; within a kind each is a life of its own."""
    events = [piece for piece in pieces if piece.reading.source.format == "tfevents"]
    states = [piece for piece in pieces if piece.reading.source.format == "trainer-state"]
    tables = [piece for piece in pieces if piece.reading.source.format not in ("tfevents", "trainer-state")]
    return [kind for kind in [_event_accounts(events), _state_accounts(states), *_table_kinds(tables)] if kind]


def _event_accounts(pieces: Sequence[Piece]) -> list[Account]:
    """Event files by folder; split folders and sub-runs go to the folder above them."""
    if not pieces:
        return []
    pieces = sorted(pieces, key=lambda piece: (piece.reading.source.start_time or 0.0, str(piece.path)))
    sub_runs = [piece for piece in pieces if _sub_run_of(piece) is not None]
    silent = [piece for piece in pieces if not piece.series]
    streams: dict[Path, list[Piece]] = {}
    for piece in pieces:
        if piece in sub_runs or piece in silent:
            continue
        streams.setdefault(_stream(piece), []).append(piece)
    accounts: list[Account] = []
    for folder, found in streams.items():
        accounts += _lives(folder, found)
    accounts = _continued_in_next_folder(accounts)
    for piece in silent:
        _attach_silent(piece, accounts)
    if sub_runs:
        _attach_sub_runs(sub_runs, accounts)
    return accounts


def _stream(piece: Piece) -> Path:
    """The folder that a file's life is read from: that above train/ and validation/."""
    split = piece.folder.name.lower() in (*MAIN_SPLITS, *OTHER_SPLITS)
    return piece.folder.parent if split else piece.folder


def _lives(folder: Path, pieces: list[Piece]) -> list[Account]:
    """The event files of one folder, cut where a later file starts everything over."""
    prefixes = _split_prefixes(folder, pieces)
    accounts: list[Account] = []
    for piece in pieces:
        same = next((a for a in accounts for other in a.pieces if _byte_copy(other, piece)), None)
        if same is not None:
            same.notes.append(f"{piece.path.name} is a copy of an event file beside it, wall times included: read once")
            continue
        if not accounts or (not prefixes[piece.path] and _starts_afresh(accounts[-1].pieces, piece)):
            account = Account(view="events", kind=("tfevents",), pieces=[piece], prefixes=prefixes)
            if accounts:
                account.notes.append(
                    f"{ANOTHER_RUN}: {piece.path.name} begins after the files before it ended, and steps, epochs and"
                    " loss all start over"
                )
            accounts.append(account)
        else:
            accounts[-1].pieces.append(piece)
    return accounts


def _split_prefixes(folder: Path, pieces: list[Piece]) -> dict[Path, str]:
    """Tags of validation/ get its name before them; those of the main folder stay as they are."""
    splits = {"" if piece.folder == folder else piece.folder.name for piece in pieces}
    main = min(splits, key=lambda split: (*MAIN_SPLITS, *OTHER_SPLITS).index(split.lower()))
    if main.lower() in OTHER_SPLITS and len(splits) == 1 and main:
        return {piece.path: f"{main}/" for piece in pieces}
    return {
        piece.path: "" if ("" if piece.folder == folder else piece.folder.name) == main else f"{piece.folder.name}/"
        for piece in pieces
    }


def _sub_run_of(piece: Piece) -> str | None:
    """The name below its tag of a file that add_scalars made in a folder of its own, else None."""
    if len(piece.series) != 1:
        return None
    tag = piece.series[0].tag
    flat = tag.replace("/", "_").replace(" ", "_") + "_"
    if piece.folder.name.startswith(flat) and len(piece.folder.name) > len(flat):
        return piece.folder.name[len(flat) :]
    parents = "/".join(piece.folder.parts[:-1])
    return piece.folder.name if parents.endswith("/" + tag) or parents == tag else None


def _attach_sub_runs(pieces: list[Piece], accounts: list[Account]) -> None:
    view = Account(view="add_scalars", kind=("tfevents",), pieces=pieces,
                   notes=[f"{len(pieces)} folders that add_scalars wrote belong to the run above them"])
    for piece in pieces:
        view.prefixes[piece.path] = ""
    writers = {(piece.reading.source.host, piece.reading.source.pid) for piece in pieces}
    for account in accounts:
        mine = {(piece.reading.source.host, piece.reading.source.pid) for piece in account.pieces}
        if len(accounts) == 1 or mine & writers:
            account.extra.append(view)
            return
    accounts.append(view)


def _attach_silent(piece: Piece, accounts: list[Account]) -> None:
    """A file without scalars is a life that logged nothing, or holds hyperparameters; it belongs to its neighbours."""
    start = piece.reading.source.start_time or 0.0
    beside = [a for a in accounts if any(_stream(p) == _stream(piece) for p in a.pieces)]
    writer = (piece.reading.source.host, piece.reading.source.pid)
    if not beside and not any(
        writer == (other.reading.source.host, other.reading.source.pid) for a in accounts for other in a.pieces
    ):
        beside = accounts  # a life of its own in a folder of its own; a process that lives on writes hyperparameters there
    if beside:
        before = [a for a in beside if (a.pieces[0].reading.source.start_time or 0.0) <= start]
        chosen = (before or beside[:1])[-1]
        chosen.pieces.append(piece)
        chosen.pieces.sort(key=lambda p: (p.reading.source.start_time or 0.0, str(p.path)))
        chosen.prefixes.setdefault(piece.path, "")
        return
    view = Account(view=piece.folder.name, kind=("tfevents",), pieces=[piece], prefixes={piece.path: ""})
    if accounts:
        accounts[0].extra.append(view)
    else:
        accounts.append(view)


def _byte_copy(one: Piece, two: Piece) -> bool:
    """Whether two event files hold the same records, their wall times included."""
    a, b = {s.tag: s for s in one.series}, {s.tag: s for s in two.series}
    return bool(a) and a.keys() == b.keys() and all(
        _same(a[tag].step, b[tag].step) and _same(a[tag].value, b[tag].value)
        and np.isfinite(a[tag].wall_time).all() and _same(a[tag].wall_time, b[tag].wall_time)
        for tag in a
    )


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return len(a) == len(b) and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def _starts_afresh(before: Sequence[Piece], after: Piece) -> bool:
    """Whether a file is another run than those before it: later in time, and step, epoch and loss all start over."""
    first = [series for piece in before for series in piece.series]
    if not first or not after.series:
        return False
    timed = [s.wall_time for s in first if np.isfinite(s.wall_time).any()]
    later = [s.wall_time for s in after.series if np.isfinite(s.wall_time).any()]
    ended = max((float(np.nanmax(times)) for times in timed), default=np.nan)
    begins = min((float(np.nanmin(times)) for times in later), default=np.nan)
    if not begins > ended:
        return False
    if _begin(after.series) > _begin(first):
        return False
    for role in ("epoch", "learning_rate"):
        if _goes_on(_pooled(first, role), _pooled(after.series, role), rising=role == "epoch"):
            return False
    return _position(_pooled(first, "loss"), _pooled(after.series, "loss")) >= FRESH_POSITION


def _begin(series: Iterable[Series]) -> float:
    steps = [int(s.step[s.step != NO_STEP].min()) for s in series if (s.step != NO_STEP).any()]
    return min(steps, default=0)


def _pooled(series: Iterable[Series], role: str) -> Floats:
    """Values of the main tag of a role, in written order."""
    roles = (role, "epoch_loss", "validation_loss") if role == "loss" else (role,)
    for one in roles:
        by_tag: dict[str, list[Floats]] = {}
        for s in series:
            if role_of_tag(s.tag) == one:
                by_tag.setdefault(s.tag, []).append(s.value)
        if by_tag:
            return np.concatenate(max(by_tag.values(), key=lambda parts: sum(map(len, parts))))
    return np.empty(0)


def _goes_on(first: Floats, after: Floats, *, rising: bool) -> bool:
    """Whether a noise-free quantity (epoch, learning rate) of the second life starts nearer to the end of the first."""
    if not len(first) or not len(after):
        return False
    begin, end, here = float(first[0]), float(first[-1]), float(after[0])
    if rising:
        return here > begin and end > begin
    return begin != end and abs(here - end) < abs(here - begin)


def _position(first: Floats, after: Floats) -> float:
    """Where the second life's loss begins: 0 at the end of the first life, 1 at its begin; 0 when it cannot be told."""
    first, after = first[np.isfinite(first)], after[np.isfinite(after)]
    if len(first) < ROWS_TO_JUDGE or len(after) < 3:
        return 0.0
    rows = max(1, min(5, len(first) // 8, len(after) // 3))
    begin, end, here = (float(np.median(part)) for part in (first[:rows], first[-rows:], after[:rows]))
    noise = float(np.median(np.abs(np.diff(first)))) / 0.95  # MAD of differences over sqrt(2) times 0.6745
    if abs(begin - end) <= 3 * noise:
        return 0.0
    return (here - end) / (begin - end)


# Trainer states


def _state_accounts(pieces: Sequence[Piece]) -> list[Account]:
    """One account a lineage: the latest state, and those states of its history that say something else."""
    accounts: list[Account] = []
    for piece in sorted(pieces, key=_state_order):
        for account in accounts:
            main = account.pieces[0]
            if _prefix(piece, main):
                account.notes.append(f"{_label(piece)} adds nothing: its history is the beginning of {_label(main)}")
                break
            if _common_history(piece, main):
                note = f"{_label(piece)} parts from {_label(main)} after a common beginning: kept as another view"
                account.extra.append(Account(view=_label(piece), kind=("trainer-state",), pieces=[piece], notes=[note]))
                break
        else:
            accounts.append(Account(view=_label(piece), kind=("trainer-state",), pieces=[piece]))
    for account in accounts:
        account.notes = _merged_notes(account.notes)
        main = account.pieces[0]
        if "/" in _label(main):
            source = replace(main.reading.source, unfinished=True)
            account.pieces[0] = replace(main, reading=replace(main.reading, source=source))
            account.notes.append(f"known from {_label(main)} only: the run may have gone on behind it")
        if len(accounts) > 1:
            account.notes.append(f"{len(accounts)} trainer states without a common history lie here: runs of their own")
    return accounts


def _merged_notes(notes: list[str]) -> list[str]:
    same = [note for note in notes if " adds nothing: " in note]
    if len(same) < 3:
        return notes
    names = [note.split(" adds nothing", 1)[0] for note in same]
    rest = same[0].split(" of ", 1)[-1]
    merged = f"{len(same)} earlier states ({names[-1]} .. {names[0]}) add nothing: each is the beginning of {rest}"
    return [merged, *(note for note in notes if note not in same)]


def _label(piece: Piece) -> str:
    name = piece.path.name
    return f"{piece.folder.name}/{name}" if re.match(r"(?i)(checkpoint|ckpt|last)", piece.folder.name) else name


def _state_order(piece: Piece) -> tuple[int, bool, int, str]:
    """Most steps first; of equals the one of the run's own folder, then the latest checkpoint."""
    last = max((int(s.step.max()) for s in piece.series if len(s)), default=0)
    number = re.search(r"\d+$", piece.folder.name)
    return -last, "/" in _label(piece), -int(number[0]) if number else 0, str(piece.path)


def _prefix(short: Piece, long: Piece) -> bool:
    """Whether every point of one state stands at the beginning of the other."""
    whole = {series.tag: series for series in long.series}
    return all(
        s.tag in whole and _same(s.step, whole[s.tag].step[: len(s)]) and _same(s.value, whole[s.tag].value[: len(s)])
        for s in short.series
    )


def _common_history(one: Piece, two: Piece) -> bool:
    """Whether two states begin with the same rows, losses included, before they part."""
    whole = {series.tag: series for series in two.series}
    losses = 0
    for s in one.series:
        role = role_of_tag(s.tag)
        if s.tag not in whole or role not in ("loss", "epoch_loss", "validation_loss", "learning_rate", "grad_norm"):
            continue
        other = whole[s.tag]
        if not (len(s) and len(other) and s.step[0] == other.step[0] and s.value[0] == other.value[0]):
            return False
        losses += role != "learning_rate"
    return losses > 0


# Tables and text


def _table_kinds(pieces: Sequence[Piece]) -> list[list[Account]]:
    """Accounts of all other formats, those of one kind together."""
    kinds: list[list[Account]] = []
    for account in _families(pieces):
        for kind in kinds:
            if _same_kind(kind[0], account):
                _add_to_kind(kind, account)
                break
        else:
            kinds.append([account])
    return kinds


def _families(pieces: Sequence[Piece]) -> list[Account]:
    """Files that one logger wrote side by side, a tag a file, are one account; any other file is one by itself."""
    families: dict[tuple[str, ...], list[Piece]] = {}
    for piece in pieces:
        families.setdefault(_family(piece), []).append(piece)
    accounts = []
    for key, found in families.items():
        view = Path(found[0].reading.source.path).name if len(found) == 1 else key[-1] or key[0]
        account = Account(view=view, kind=(found[0].reading.source.format, found[0].reading.source.step_column or ""),
                          pieces=found)
        found.sort(key=lambda piece: (piece.reading.source.start_time or 0.0, str(piece.path)))
        if key[0] == "W&B run":
            account.notes += [f"{_place(piece)} has the run id of {_place(found[0])}: resumed" for piece in found[1:]]
        elif len(found) > 1:
            account.notes.append(f"{len(found)} files with a tag each are one log: {found[0].path.name}, ...")
        accounts.append(account)
    return accounts


def _family(piece: Piece) -> tuple[str, ...]:
    name = piece.path.name
    if piece.reading.source.format == "wandb-run":
        return ("W&B run", piece.path.stem)  # a run that was resumed has a folder for each life, and one id
    export = TENSORBOARD_EXPORT.match(name)
    if export:
        return ("tensorboard export", str(piece.folder), export["run"])
    tags = [s.tag for s in piece.series]
    if piece.path.suffix == ".csv" and len(tags) == 1:
        last = re.escape(tags[0].split("/")[-1])
        if re.search(rf"(?:^|[_/]){last}$", piece.path.stem):  # DeepSpeed's monitor: Train_Samples_lr.csv has step, lr
            return ("a file a tag", str(piece.folder))
    return ("file", str(piece.path))


def _same_kind(one: Account, two: Account) -> bool:
    if one.kind != two.kind or _split_of(one) != _split_of(two):
        return False
    a = {s.tag for piece in one.pieces for s in piece.series}
    b = {s.tag for piece in two.pieces for s in piece.series}
    return bool(a | b) and len(a & b) >= SAME_TAGS * len(a | b)


def _split_of(account: Account) -> str:
    match = SPLIT_WORD.search(account.pieces[0].path.stem)
    return match[1].lower()[:2] if match and len(account.pieces) == 1 else ""


def _add_to_kind(kind: list[Account], account: Account) -> None:
    piece = account.pieces[0]
    for other in kind:
        last = other.pieces[-1]
        if len(account.pieces) == 1 and len(other.pieces) == 1 and (_prefix(piece, last) or _prefix(last, piece)):
            longer, shorter = (last, piece) if _points(last) >= _points(piece) else (piece, last)
            rows = {s.tag: len(s) for s in longer.series}
            word = "the same numbers as" if all(len(s) == rows[s.tag] for s in shorter.series) else "the beginning of"
            other.pieces = [longer]
            other.view = longer.path.name
            other.notes.append(f"{shorter.path.name} holds {word} {longer.path.name}: read once")
            return
        if _continues(other.pieces, piece):
            other.pieces.append(piece)
            other.notes.append(f"{_place(piece)} goes on where {_place(last)} ends: one run, resumed")
            return
        if _continues([piece], last) and len(other.pieces) == 1:
            other.pieces.insert(0, piece)
            other.notes.append(f"{_place(last)} goes on where {_place(piece)} ends: one run, resumed")
            return
    kind.append(account)


def _place(piece: Piece) -> str:
    return f"{piece.folder.name}/{piece.path.name}"


def _points(piece: Piece) -> int:
    return sum(len(series) for series in piece.series)


def _steps(pieces: Sequence[Piece]) -> np.ndarray:
    """Steps of the longest series of the pieces, in written order."""
    longest = max((s for piece in pieces for s in piece.series), key=len, default=None)
    if longest is None:
        return np.empty(0, dtype=np.int64)
    steps = np.concatenate([s.step for piece in pieces for s in piece.series if s.tag == longest.tag])
    return steps[steps != NO_STEP]


def _continues(before: Sequence[Piece], after: Piece) -> bool:
    """Whether a file's first step lies within or just after the range of those before it, well behind their begin.

    With another configuration beside it only a file that goes on without a seam does.
    """
    first, later = _steps(before), _steps([after])
    if len(first) < 2 or not len(later):
        return False
    rises = np.diff(first)
    cadence = int(np.median(rises[rises > 0])) if (rises > 0).any() else 1
    begins = int(later.min())
    if before[-1].settings != after.settings and not 0 < begins - int(first.max()) <= cadence:
        return False
    return (
        int(first.min()) + 2 * cadence <= begins <= int(first.max()) + max(10 * cadence, int(np.ptp(first)) // 2)
        and int(later.max()) >= int(first.max())
    )


def _continued_in_next_folder(accounts: list[Account]) -> list[Account]:
    """Event accounts of several folders; one that goes on where another ends is the same run, resumed."""
    joined: list[Account] = []
    for account in accounts:
        for other in joined:
            first, last = account.pieces[0], other.pieces[-1]
            if first.folder != last.folder and _continues(other.pieces, first) and _same_tags(last, first):
                other.pieces += account.pieces
                other.prefixes |= account.prefixes
                other.notes.append(
                    f"{_place(account.pieces[0])} goes on where {_place(other.pieces[0])} ends: one run, resumed")
                break
        else:
            joined.append(account)
    return joined


def _same_tags(one: Piece, two: Piece) -> bool:
    a, b = {s.tag for s in one.series}, {s.tag for s in two.series}
    return len(a & b) >= SAME_TAGS * len(a | b)


# Binding accounts of different loggers


def _bind(kinds: list[list[Account]]) -> list[list[Account]]:
    """Put the accounts of different loggers together: alone by their place, among several by their numbers."""
    kinds = sorted(kinds, key=len, reverse=True)
    runs = [[account] for account in kinds[0]]
    for kind in kinds[1:]:
        if len(runs) == 1 and len(kind) == 1:
            runs[0].append(kind[0])
            continue
        for account in kind:
            shares = [max(_equal_losses(account, other) for other in run) for run in runs]
            best = int(np.argmax(shares))
            if shares[best] >= SAME_VALUES:
                twin = runs[best][0].view
                account.notes.append(f"{account.view} tells the same numbers as {twin}: one run seen twice")
                runs[best].append(account)
                continue
            home = [run for run in runs if run[0].pieces[0].folder == account.pieces[0].folder]
            if len(home) == 1 and len(runs) > 1 and not _losses(account).size:
                home[0].append(account)
            else:
                runs.append([account])
    return runs


def _losses(account: Account) -> Floats:
    roles = ("loss", "epoch_loss", "validation_loss")
    found = [s.value for piece in account.pieces for s in piece.series if role_of_tag(s.tag) in roles]
    values = np.concatenate(found) if found else np.empty(0)
    return values[np.isfinite(values)]


def _equal_losses(one: Account, two: Account) -> float:
    """Share of the shorter account's losses that the other has too, to four decimals."""
    a, b = np.unique(np.round(_losses(one), 4)), np.unique(np.round(_losses(two), 4))
    if not len(a) or not len(b):
        return 0.0
    return len(np.intersect1d(a, b)) / min(len(a), len(b))


# Runs


def _titles(name: str, root: Path, runs: list[list[Account]]) -> list[str]:
    if len(runs) == 1:
        return [name]
    folders = [{piece.folder for piece in run[0].pieces[:1]} for run in runs]
    titles = []
    for run, own in zip(runs, folders, strict=True):
        first = run[0].pieces[0]
        alone = sum(bool(own & other) for other in folders) == 1
        try:
            below = first.folder.relative_to(root).as_posix()
        except ValueError:
            below = "."
        place = name if below == "." else below
        titles.append(place if alone else f"{place}/{_short(first.path.name)}")
    return titles


def _short(file_name: str) -> str:
    return file_name if "tfevents" in file_name else file_name.split(".", 1)[0]


def _stored_readings(store: Reading) -> list[Reading]:
    """The readings of a store that hold numbers, each with what was found for all of them."""
    found = [one for one in store.runs if one.series]
    return [
        replace(one, facts=one.facts + store.facts, problems=one.problems + (store.problems if not at else ()))
        for at, one in enumerate(found)
    ]


def _stored_run(name: str, piece: Piece, reading: Reading) -> Run:
    title = reading.source.view or piece.path.stem
    written_by = reading.source.format
    account = Account(view=written_by, kind=(written_by,), pieces=[replace(piece, reading=reading)])
    return _run(f"{name}/{title}", [account])


def _run(name: str, accounts: list[Account]) -> Run:
    views: list[View] = []
    sources: list[Source] = []
    pieces: list[Piece] = []
    every = [one for account in accounts for one in (account, *account.extra)]
    taken: dict[str, int] = {}
    for account in every:
        taken[account.view] = taken.get(account.view, 0) + 1
        title = account.view if taken[account.view] == 1 else f"{account.view} ({taken[account.view]})"
        indices = range(len(sources), len(sources) + len(account.pieces))
        sources += [replace(piece.reading.source, view=title) for piece in account.pieces]
        pieces += account.pieces
        views.append(View(name=title, sources=tuple(indices), series=_joined_series(account, indices)))
    notes = [note for account in every for note in account.notes]
    if len(every) > 1:
        notes.append(f"one run seen {len(every)} times: {', '.join(view.name for view in views)}")
    return Run(
        name=name,
        sources=tuple(sources),
        views=tuple(views),
        markers=tuple(replace(m, source=at) for at, piece in enumerate(pieces) for m in piece.reading.markers),
        problems=tuple(problem for piece in pieces for problem in piece.reading.problems),
        facts=tuple(fact for piece in reversed(pieces) for fact in piece.reading.facts),
        notes=tuple(dict.fromkeys(notes)),
    )


def _joined_series(account: Account, indices: range) -> dict[str, Series]:
    by_tag: dict[str, list[tuple[int, Series]]] = {}
    for index, piece in zip(indices, account.pieces, strict=True):
        for series in piece.series:
            by_tag.setdefault(_tag_in_view(account, piece, series), []).append((index, series))
    return {
        tag: Series(
            tag=tag,
            step=np.concatenate([series.step for _, series in found]),
            value=np.concatenate([series.value for _, series in found]),
            wall_time=np.concatenate([series.wall_time for _, series in found]),
            source=np.concatenate([np.full(len(series), index, dtype=np.int32) for index, series in found]),
            row=np.concatenate([series.row for _, series in found]),
            written_as=found[0][1].written_as,
        )
        for tag, found in by_tag.items()
    }


def _tag_in_view(account: Account, piece: Piece, series: Series) -> str:
    if account.view == "add_scalars":
        return f"{series.tag}/{_sub_run_of(piece)}"
    return account.prefixes.get(piece.path, "") + series.tag
