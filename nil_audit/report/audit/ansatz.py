"""The ansatz check in words and tables: whether WᵀW of the maps that read the residual stream is like their AGOP."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from nil_audit.auditing.record import Record
from nil_audit.report.audit.ranking import Entry
from nil_audit.report.audit.words import SPOKEN, model_names
from nil_audit.report.render.page import Cell, Column, Table, table
from nil_audit.report.render.text import MISSING, error_text, interval_text, percent
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
        f"{entry.name}: correlation ρ of WᵀW with the AGOP of the map's input, beyond the isotropic part: share of maps"
        " above a random basis (null), above a bound on what the gradient's path through the map gives (path) and above"
        " other blocks' maps (others), and medians over blocks",
        (
            "Map",
            "Maps",
            Column(label="> null", numeric=True, help="lower end of 95% above 1.96 sd of a random basis"),
            Column(label="> path", numeric=True, help="lower end of 95% above what the path gives for that map"),
            Column(label="> others", numeric=True, help="ρ above that of other blocks' maps with the same AGOP"),
            Column(label="ρ", numeric=True, help="with the AGOP of a typical token"),
            Column(label="path", numeric=True, help="ρ of a gradient that is random at the map's output"),
            Column(label="others", numeric=True, help="ρ of other blocks' maps of the same role with this AGOP"),
            Column(label="ρ mean", numeric=True, help="with the AGOP of the mean, the paper's"),
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
        "Share of maps whose WᵀW is more like the AGOP of their input than in a random basis (null), and than a"
        " bound on what the gradient's path through the map gives (path), and the median ρ of each role",
        ("Model", "Maps", "> null", "> path", *map(role_name, columns)),
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
        " * where above the bound on what the path through the map gives",
        ("Block", *map(role_name, columns)),
        rows,
    )


def _map_cell(one: Map | None) -> Cell:
    found = correlation(one) if one else None
    if one is None or found is None:
        return Cell(text=MISSING)
    text = f"{error_text(found, 1)}{'*' * one['beats_through_map']}"
    return Cell(text=text if one["beats_null"] else f"({text})", value=found.value)


def ansatz_sentence(entries: Sequence[Entry]) -> str:
    """How far the Neural Feature Ansatz holds: against what the path through a map gives, and untrained networks.

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
    untrained = "; ".join(f"{', '.join(map(_inside, held))} {span}" for held, span in _UNTRAINED.items())
    said = [f"{entry.name} {_clause(entry)}" for entry in found]
    return (
        f"Neural Feature Ansatz, median ρ by role (untrained networks: {untrained}) and maps above {_BOUND}:"
        f" {'; '.join(said)}."
    )


_BOUND = "a bound on what the gradient's path through the map itself can give (below it nothing is shown)"
_UNTRAINED = {("query", "key"): "0 to 0.2", ("value", "mlp_in", "mlp_gate"): "0.1 to 0.5"}
UNTRAINED = (
    "Untrained networks have some of it too, as the gradient passes through the map: five had ρ 0.1 to 0.5 (value,"
    " MLP), 0 to 0.2 (query, key) and 0 (other blocks' maps)."
)
"""What the share above the null does not show. Medians over the blocks of networks with their architectures' initial
weights: the shapes of SmolLM2-135M and of four small models (two blocks x 256 channels to 12 x 96; GPT-2, GPT-NeoX,
Llama, Qwen3), 8,192 tokens or more; of all maps 50 to 92% were above the null and 80 to 100% above other blocks' maps
(benchmarks/ansatz_untrained.py)."""


def _full(entry: Entry, *, named: bool) -> str:
    ansatz = entry.record.ansatz or {}
    shares = ansatz["shares"]["all"]
    above = Counter(one["role"] for one in ansatz["maps"] if one["beats_through_map"])
    many = above.total()
    said = f"{many} ({percent(many / shares['maps'], 0)}) lie" if many else "none lies"
    where = [f"{_inside(role)} {above[role]}" for role in roles(ansatz["maps"]) if above[role]]
    return (
        f"Neural Feature Ansatz: {percent(shares['beats_null'], 0)} of {shares['maps']} maps"
        f"{f' of {entry.name}' * named} lie above a random basis, which says little, since the gradient passes through"
        f" the map itself; {said} above a bound on what that path can give (below it nothing is shown)"
        f"{': ' * bool(where)}{', '.join(where)}. Median ρ (in brackets of untrained networks):"
        f" {_by_role([ansatz['maps']], untrained=True)}."
    )


def _inside(role: str) -> str:
    """What a role is called inside a sentence."""
    return role_name(role, inside=True)


def _by_role(models: Sequence[Sequence[Map]], *, untrained: bool) -> str:
    """The median ρ of each role, of several models the range of these, with what untrained networks have."""
    found = roles([one for maps in models for one in maps])
    groups = [([role for role in held if role in found], span) for held, span in _UNTRAINED.items()]
    groups.append(([role for role in found if not any(role in held for held in _UNTRAINED)], ""))
    return ("; " if untrained else ", ").join(
        ", ".join(f"{_inside(role)} {_range(models, role)}" for role in held)
        + f" ({span})" * (untrained and bool(span))
        for held, span in groups
        if held
    )


def _range(models: Sequence[Sequence[Map]], role: str) -> str:
    """The median ρ of one role, from the lowest to the highest of models that have it."""
    values = [_values([one for one in maps if one["role"] == role]) for maps in models]
    middles = sorted(median(held) for held in values if held)
    ends = [interval_text(Estimate(value=one)) for one in dict.fromkeys((*middles[:1], *middles[-1:]))]
    return " to ".join(ends) or MISSING


def _values(maps: Sequence[Map]) -> list[float]:
    """Their typical correlations, those that are known."""
    return [one.value for each in maps if (one := correlation(each))]


def _held_against(maps: Sequence[Map], control: str) -> list[float]:
    """What their typical correlations are held against: those of "other_blocks", or "through_map" alone."""
    return [one for each in maps if (one := each[control]["typical"]) is not None]


def _clause(entry: Entry) -> str:
    maps: Sequence[Map] = (entry.record.ansatz or {})["maps"]
    above = sum(one["beats_through_map"] for one in maps)
    return f"{_by_role([maps], untrained=False)}, {above or 'none'} of {len(maps)}"


def _counted(entries: Sequence[Entry]) -> str:
    """The ranges over many models."""
    found = [entry.record.ansatz or {} for entry in entries]
    shares = [one["shares"]["all"]["beats_through_map"] for one in found]
    return (
        f"Neural Feature Ansatz in {len(entries)} models, median ρ (in brackets of untrained networks):"
        f" {_by_role([one['maps'] for one in found], untrained=True)}; {percent(min(shares), 0)} to"
        f" {percent(max(shares), 0)} of their maps lie above {_BOUND}."
    )


def ansatz_frame(records: Record | Sequence[Record]) -> "pd.DataFrame":
    """Every map of every ansatz check as a data frame, a row each: ``ansatz.csv``.

    Args:
        records: One, or several.

    Returns:
        Columns model, block, blocks, relative_depth, role, path, rows, norm, then ρ as typical and mean, each with
        ``_se``, ``_low`` and ``_high``, null_sd, beats_null, beats_through_map, and through_map_typical, _mean,
        other_blocks_typical and _mean; empty where no record has an ansatz check.
    """
    import pandas as pd

    records = [records] if isinstance(records, Record) else records
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
