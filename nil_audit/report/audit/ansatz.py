"""The ansatz check in words and tables: whether WᵀW of the maps that read the residual stream is like their AGOP."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.record import Record
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import SPOKEN, model_names
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, error_text, interval_text, listing, percent
from nil_audit.stats.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd

_ORDER = ("query", "key", "value", "mlp_in", "mlp_gate")
Map = Mapping[str, Any]


def role_name(role: str, *, inside: bool = False) -> str:
    """What a role is called, "mlp_in" is "MLP in": at the head of a column, or inside a sentence."""
    name = role.replace("_", " ").replace("mlp", "MLP")
    return name if inside else f"{name[:1].upper()}{name[1:]}"


def roles(maps: Sequence[Map]) -> list[str]:
    """Roles in the order of a block's computation, those that are not common ones last."""
    found = dict.fromkeys(one["role"] for one in maps)
    return [*(role for role in _ORDER if role in found), *(role for role in found if role not in _ORDER)]


def correlation(one: Map, kind: str = "typical") -> Estimate | None:
    """A map's unbiased correlation ρ with the direction AGOP ("typical") or the AGOP ("mean") of its input."""
    found = one[kind]
    return None if found is None or found["value"] is None else Estimate.from_dict(found)


def checked(entries: Sequence[Entry]) -> list[Entry]:
    """The models whose maps were held against their AGOP, at least one map of each."""
    return [entry for entry in entries if (entry.record.ansatz or {}).get("maps")]


def ansatz_table(entry: Entry) -> Table:
    """A row a role and one for all: how many maps agree with their AGOP, better than what, and how closely."""
    ansatz = entry.record.ansatz or {}
    maps: Sequence[Map] = ansatz["maps"]
    groups = {role: [one for one in maps if one["role"] == role] for role in roles(maps)}
    shown = {**groups, "all": maps} if len(groups) > 1 else groups
    rows = []
    for role, group in shown.items():
        shares = ansatz["shares"][role]
        rows.append(
            (
                Cell(text="All" if role == "all" else role_name(role), strong=role == "all"),
                str(shares["maps"]),
                percent(shares["beats_null"], 0),
                percent(shares["beats_through_map"], 0),
                percent(shares["beats_other_blocks"], 0),
                _middle(_values(group)),
                _middle(_held_against(group, "through_map")),
                _middle(_held_against(group, "other_blocks")),
                _middle([one.value for each in group if (one := correlation(each, "mean"))]),
            )
        )
    return table(
        f"{entry.name}: correlation ρ of WᵀW with the AGOP of the map's input, beyond the isotropic part; medians over"
        " blocks",
        (
            "Map",
            "Maps",
            Column(label="Above null", numeric=True, help="lower end of 95% above 1.96 sd of a random basis"),
            Column(label="Above its path", numeric=True, help="lower end of 95% above what the path explains"),
            Column(label="Above other blocks'", numeric=True, help="ρ above the median ρ of other blocks' maps"),
            "ρ typical",
            Column(label="ρ path", numeric=True, help="of a gradient that is random at the map's output"),
            Column(label="ρ other blocks'", numeric=True, help="of the same role, with this block's AGOP"),
            "ρ mean",
        ),
        rows,
        note=" ".join((UNTRAINED, *ansatz["left_out"])),
    )


def _middle(values: Sequence[float]) -> str:
    """A median as it is printed."""
    return interval_text(Estimate(value=median(values))) if values else MISSING


def ansatz_of_many(entries: Sequence[Entry]) -> Table:
    """A row a model: how many of its maps agree with their AGOP, and how closely in each role.

    Args:
        entries: That were checked, at least one.
    """
    maps = {entry: (entry.record.ansatz or {})["maps"] for entry in entries}
    columns = roles([one for held in maps.values() for one in held])
    rows = []
    for entry in entries:
        shares = (entry.record.ansatz or {})["shares"]["all"]
        by_role = [[one for one in maps[entry] if one["role"] == role] for role in columns]
        rows.append(
            (
                entry.name,
                str(shares["maps"]),
                *(percent(shares[key], 0) for key in ("beats_null", "beats_through_map")),
                *(_middle(_values(held)) for held in by_role),
            )
        )
    return table(
        "Share of maps whose WᵀW is more like the AGOP of their input than a random basis, and than the gradient's path"
        " through the map, makes them, and the median ρ of each role",
        ("Model", "Maps", "Random", "Path", *map(role_name, columns)),
        rows,
        note=UNTRAINED,
    )


def ansatz_block_table(entry: Entry) -> Table:
    """A row a block, a column a role: ρ ± its standard error, in brackets where it is not above the null."""
    ansatz = entry.record.ansatz or {}
    columns = roles(ansatz["maps"])
    found: dict[int, dict[str, list[Map]]] = defaultdict(lambda: defaultdict(list))
    for one in ansatz["maps"]:
        found[one["depth"]][one["role"]].append(one)
    rows: list[tuple[Cell | str, ...]] = []
    for depth in sorted(found):
        # A block may hold several maps of one role.
        for place in range(max(map(len, found[depth].values()))):
            held = {role: maps[place] for role, maps in found[depth].items() if place < len(maps)}
            rows.append((str(depth), *(_map_cell(held.get(role)) for role in columns)))
    return table(
        f"{entry.name}, block by block: ρ typical ± jackknife standard error; in brackets where not above the null,"
        " set apart where above what the path through the map explains",
        ("Block", *map(role_name, columns)),
        rows,
    )


def _map_cell(one: Map | None) -> Cell:
    found = correlation(one) if one else None
    if one is None or found is None:
        return Cell(text=MISSING)
    text = error_text(found, 1)
    return Cell(
        text=text if one["beats_null"] else f"({text})", value=found.value, strong=bool(one["beats_through_map"])
    )


def ansatz_sentence(entries: Sequence[Entry]) -> str:
    """Whether the Neural Feature Ansatz holds: against a random basis, against maps of other blocks, and its limits.

    Returns:
        Sentences; empty where no model was checked.
    """
    found = checked(entries)
    if not found:
        return ""
    if len(found) > SPOKEN:
        return _counted(found)
    if len(found) == 1:
        return _full(found[0], named=len(entries) > 1)
    said = [f"{entry.name} {_clause(entry)}" for entry in found]
    return (
        f"Neural Feature Ansatz, share of the maps more like the AGOP of their input than a random basis makes them"
        f" ({_CAVEAT}), and by more than that path explains: {'; '.join(said)}."
    )


_CAVEAT = "as half or more of an untrained network's are, for the gradient passes through the map"
UNTRAINED = (
    "Untrained networks have some of it too, as the gradient passes through the map: five had ρ 0.1 to 0.5 (value,"
    " MLP), 0 to 0.2 (query, key) and 0 (other blocks' maps)."
)
"""What both shares do not show. Medians over the blocks of networks with their architectures' initial weights: the
shapes of SmolLM2-135M and of four small models (two blocks x 256 channels to 12 x 96; GPT-2, GPT-NeoX, Llama, Qwen3),
8,192 tokens or more; of all maps 50 to 92% were above the null and 80 to 100% above other blocks' maps
(benchmarks/ansatz_untrained.py)."""


def _full(entry: Entry, *, named: bool) -> str:
    ansatz = entry.record.ansatz or {}
    maps: Sequence[Map] = ansatz["maps"]
    shares = ansatz["shares"]["all"]
    by_role = [
        f"{role_name(role, inside=True)} {_middle(_values([one for one in maps if one['role'] == role]))}"
        for role in roles(maps)
    ]
    others = _held_against(maps, "other_blocks")
    beyond = ""
    if shares["beats_through_map"] is not None:
        beyond = f"; {_share(shares, 'beats_through_map')} by more than that path explains"
    return (
        f"Neural Feature Ansatz: {_share(shares, 'beats_null')} of {shares['maps']} maps{f' of {entry.name}' * named}"
        " that read the residual stream are more like the AGOP of their input than a random basis makes them,"
        f" {_CAVEAT}{beyond}. Median ρ (1: proportional): {', '.join(by_role)}"
        f"{f'; other blocks {_middle(others)}' if others else ''}."
    )


def _share(shares: Mapping[str, Any], key: str) -> str:
    share = shares[key]
    return MISSING if share is None else f"{round(share * shares['maps'])} ({percent(share, 0)})"


def _values(maps: Sequence[Map]) -> list[float]:
    """Their typical correlations, those that are known."""
    return [one.value for each in maps if (one := correlation(each))]


def _held_against(maps: Sequence[Map], control: str) -> list[float]:
    """What their typical correlations are held against: those of "other_blocks", or "through_map" alone."""
    return [one for each in maps if (one := each[control]["typical"]) is not None]


def _clause(entry: Entry) -> str:
    ansatz = entry.record.ansatz or {}
    maps, shares = ansatz["maps"], ansatz["shares"]["all"]
    return (
        f"{percent(shares['beats_null'], 0)} and {percent(shares['beats_through_map'], 0)} of {shares['maps']} (median"
        f" ρ {_middle(_values(maps))}, other blocks {_middle(_held_against(maps, 'other_blocks'))})"
    )


def _counted(entries: Sequence[Entry]) -> str:
    """The range over many models."""
    said = []
    for key, words in (
        ("beats_null", f"more like the AGOP of their input than a random basis makes them, {_CAVEAT}"),
        ("beats_through_map", "so by more than that path explains"),
    ):
        shares = [one for entry in entries if (one := (entry.record.ansatz or {})["shares"]["all"][key]) is not None]
        if shares:
            ends = f"{percent(min(shares), 0)} to {percent(max(shares), 0)}, median {percent(median(shares), 0)}"
            said.append(f"{words} ({ends})")
    return f"Neural Feature Ansatz: share of maps in {len(entries)} models that are {listing(said)}."


def ansatz_frame(records: Sequence[Record]) -> "pd.DataFrame":
    """Every map of every ansatz check as a data frame, a row each: ``ansatz.csv``.

    Returns:
        Columns model, block, blocks, relative_depth, role, path, rows, norm, then ρ as typical and mean, each with
        ``_se``, ``_low`` and ``_high``, null_sd, beats_null, beats_through_map, and through_map_typical, _mean,
        other_blocks_typical and _mean; empty where no record has an ansatz check.
    """
    import pandas as pd

    rows = [
        {
            "model": name,
            "block": one["depth"],
            "blocks": record.ansatz["blocks"],
            "relative_depth": one["depth"] / record.ansatz["blocks"],
            **{key: one[key] for key in ("role", "path", "rows", "norm")},
            **_ends("typical", one["typical"] or {}),
            **_ends("mean", one["mean"] or {}),
            **{key: one[key] for key in ("null_sd", "beats_null")},
            "beats_through_map": one["beats_through_map"],
            **{
                f"{control}_{kind}": one[control][kind]
                for control in ("through_map", "other_blocks")
                for kind in ("typical", "mean")
            },
        }
        for name, record in zip(model_names(records), records, strict=True)
        if record.ansatz
        for one in record.ansatz["maps"]
    ]
    return pd.DataFrame(rows)


def _ends(kind: str, found: Mapping[str, Any]) -> dict[str, float | None]:
    return {kind: found.get("value"), **{f"{kind}_{key}": found.get(key) for key in ("se", "low", "high")}}
