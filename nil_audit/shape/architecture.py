"""What a model's configuration says about its architecture: depth, width and the numbers around them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from nil_audit.errors import ConfigError, NilAuditError
from nil_audit.shape import classification, declared, unknown
from nil_audit.shape.parameters import Parameters
from nil_audit.source import Source, resolve

__all__ = ["Parameters", "Shape", "read_shape", "shape_from_config"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The shape of a dense decoder-only language model, as its configuration gives it.

    Attributes:
        name: The name asked for: a Hub id, or a folder's or file's path.
        source: "hub", "local", "list" (a row of a model list) or "config" (a mapping or flags).
        revision: The commit hash on the Hub, or None for a local source.
        model_type: transformers' model type of the language model ("llama").
        text_tower_of: The model type of the multimodal checkpoint that this is the text tower of, or None.
        depth: L, decoder blocks that a token passes through.
        width: d, dimension of the residual stream, in channels.
        heads: Query heads a block; None where the configuration names none.
        kv_heads: Key and value heads a block.
        head_size: Channels a head.
        mlp_width: Hidden width of the feed-forward part.
        vocab_size: Rows of the input embedding.
        tied: Whether input and output embedding are one matrix.
        context: Longest sequence that the positions allow, in tokens; None where there is no limit.
        parameters: Exact counts from the meta device; None where counting would need remote code.
        notes: Sentences for people: text tower, remote code, approximations.
    """

    name: str
    source: str = "config"
    revision: str | None = None
    model_type: str
    text_tower_of: str | None = None
    depth: int
    width: int
    heads: int | None
    kv_heads: int | None
    head_size: int | None
    mlp_width: int | None
    vocab_size: int
    tied: bool
    context: int | None
    parameters: Parameters | None = None
    notes: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """R_D/W = depth / width, in blocks per channel (arXiv 2605.27989)."""
        return self.depth / self.width


def read_shape(source: str | Source, *, trust_remote_code: bool = False) -> Shape:
    """Read the shape of a dense decoder-only language model, or of the text tower of a multimodal checkpoint.

    Args:
        source: Hub id, "id@revision", local folder, or config file, of which only config.json is fetched; or what
            `resolve` made of one.
        trust_remote_code: Let a model type that transformers does not know run its repository's code, so that its
            parameters can be counted; depth and width never need it.

    Raises:
        SourceError: The source cannot be reached.
        ConfigError: The config is not JSON, lacks its depth or width, or holds a number that cannot be.
        UnsupportedArchitectureError: It is not dense and decoder-only; the sentence names the reason.
    """
    found = resolve(source) if isinstance(source, str) else source
    shape = shape_from_config(found.config, name=found.name)
    shape = replace(shape, source=found.kind, revision=found.revision)
    has_code = "auto_map" in found.config and (found.kind == "hub" or found.folder is not None)
    if trust_remote_code and has_code and shape.parameters is None and shape.text_tower_of is None:
        return _counted_by_own_code(shape, found)
    return shape


def shape_from_config(config: Mapping[str, Any], name: str = "config") -> Shape:
    """Read the shape from a configuration already at hand, without any file or network.

    Raises:
        ConfigError, UnsupportedArchitectureError: As :func:`read_shape`.
    """
    from nil_audit.shape.hf_config import knows

    model_type = config.get("model_type")
    classification.refuse(name, classification.find_in_type(model_type))
    if not knows(model_type):
        return _from_raw(config, name)
    return _from_library(config, name)


def _counted_by_own_code(shape: Shape, source: Source) -> Shape:
    from nil_audit.shape import meta_model, parameters

    config, model = meta_model.trusted_meta_model(source)
    classification.refuse(shape.name, classification.find_in_modules(model, config))
    note = f"transformers does not know the type {shape.model_type}: its parameters were counted by its own code."
    return replace(shape, parameters=parameters.count(model), tied=parameters.tied(model), notes=(note,))


def _from_library(config: Mapping[str, Any], name: str) -> Shape:
    from nil_audit.shape import hf_config, meta_model, parameters

    declared.check_declared(config, name, declared.ESSENTIAL)
    try:
        read = hf_config.transformers_config(config, name)
    except ConfigError:
        declared.check_declared(config, name)
        declared.check_said(config, name)
        types = (section.get("model_type") for prefix, section in declared.sections(config) if prefix)
        if any(model_type and not hf_config.knows(model_type) for model_type in types):
            return _from_raw(config, name)
        raise
    findings = classification.find_in_config(read)
    try:
        model = meta_model.build_meta_model(read, name)
    except NilAuditError:
        classification.refuse(name, findings)
        declared.check_declared(config, name)
        raise
    classification.refuse(name, findings + classification.find_in_modules(model, read))
    declared.check_declared(config, name)
    notes = _check_presence(config, read, name)
    text = read.text
    heads = getattr(text, "num_attention_heads", None)
    kv_heads = _kv_heads(text, heads)
    if heads and kv_heads and heads % kv_heads:
        raise ConfigError(
            f"The config of {name} has {heads} heads, which {kv_heads} key-value heads do not divide; correct"
            " num_key_value_heads."
        )
    tower_of = read.full.model_type if read.multimodal else None
    if tower_of:
        notes.insert(0, f"Text tower of a {tower_of} checkpoint; the rest is not counted.")
    if (streams := getattr(text, "altup_num_inputs", 1)) > 1:
        notes.append(f"AltUp keeps {streams} residual streams of this width, of which each block computes one.")
    if read.full.model_type in classification.PREFIX:
        notes.append(
            f"{read.full.model_type} reads its prompt in both directions and predicts causally only what follows it."
        )
    mlp = declared.scalar(getattr(text, "intermediate_size", None))
    return Shape(
        name=name,
        model_type=text.model_type,
        text_tower_of=tower_of,
        depth=text.num_hidden_layers,
        width=text.hidden_size,
        heads=heads,
        kv_heads=kv_heads,
        head_size=_head_size(text, heads),
        mlp_width=parameters.mlp_width(model.blocks[0], text.hidden_size) or (mlp if isinstance(mlp, int) else None),
        vocab_size=model.model.get_input_embeddings().weight.shape[0],
        tied=parameters.tied(model),
        context=_context(text),
        parameters=parameters.count(model),
        notes=tuple(notes),
    )


def _check_presence(config: Mapping[str, Any], read: Any, name: str) -> list[str]:
    """Check that the config says depth and width itself; a nested text section may lean on its class's defaults.

    Returns:
        A note on every number that the class's default stands for.
    """
    section: Any = config
    for key in read.path:
        section = section.get(key) if isinstance(section, Mapping) else None
    nested = bool(read.path) and isinstance(section, Mapping)
    names = read.text.attribute_map
    defaults = {field.name: field.default for field in fields(read.text)}
    assumed = []
    for quantity, (meaning, _) in declared.NUMBERS.items():
        target = names.get(quantity, quantity)
        keys = tuple(dict.fromkeys((target, quantity, *(key for key, to in names.items() if to == target))))
        if (said := declared.declared(section if nested else config, keys, name)) is not None:
            if read.path and not nested:
                _check_read_from_top(said, getattr(read.text, target, said), read, keys, name)
            continue
        if quantity in declared.PRINCIPAL and not nested:
            _check_not_in_section(config, read, keys, name)
            raise declared.missing(name, quantity, keys)
        if isinstance(value := defaults.get(target), int):
            assumed.append(f"{meaning} ({value})")
    where = "text section of the config" if nested else "config"
    return [f"The {where} leaves {', '.join(assumed)} to the defaults of {read.text.model_type}."] if assumed else []


def _check_read_from_top(said: int, found: Any, read: Any, keys: tuple[str, ...], name: str) -> None:
    """Check that a number at the top of a multimodal config without a text section is the one that transformers reads.

    Raises:
        ConfigError: It reads another: the default of the section that is not there.
    """
    if declared.scalar(found) != said:
        raise ConfigError(
            f"The config of {name} has {keys[0]} = {said} at its top, where transformers does not read it: the type"
            f" {read.full.model_type} has its language model in {'.'.join(read.path)}; move it there, or correct"
            f" model_type (to {read.text.model_type} if it is a language model alone)."
        )


def _check_not_in_section(config: Mapping[str, Any], read: Any, keys: tuple[str, ...], name: str) -> None:
    """Check that a number that is missing at the top does not stand in a section that transformers does not read.

    Raises:
        ConfigError: It does.
    """
    for prefix, section in declared.sections(config):
        if prefix and any(section.get(key) is not None for key in keys):
            raise ConfigError(
                f"The config of {name} has its numbers in {prefix.rstrip('.')}, where transformers does not read them:"
                f" the type {read.full.model_type} has no such section; move them to the top, or correct model_type."
            )


def _kv_heads(text: Any, heads: int | None) -> int | None:
    if getattr(text, "multi_query", False) and not getattr(text, "new_decoder_architecture", False):
        return 1  # Falcon 7B and GPT-BigCode: a flag, whatever the number beside it says
    for key in ("num_key_value_heads", "num_kv_heads"):
        if isinstance(value := getattr(text, key, None), int):
            return value
    return heads


def _head_size(text: Any, heads: int | None) -> int | None:
    # multi-head latent attention calls the rotated channels head_dim; a query has these and the others
    if isinstance(rest := getattr(text, "qk_nope_head_dim", None), int):
        return rest + int(text.qk_rope_head_dim)
    return getattr(text, "head_dim", None) or (text.hidden_size // heads if heads else None)


def _context(text: Any) -> int | None:
    value = getattr(text, "max_position_embeddings", None) or getattr(text, "max_seq_len", None)
    return value if isinstance(value, int) and value > 0 else None


def _from_raw(config: Mapping[str, Any], name: str) -> Shape:
    """The shape of a model type that transformers does not know, from its config's own words; no code is run."""
    if not config.get("model_type") and not unknown.words(config.get("architectures")):
        raise ConfigError(
            f"The config of {name} names neither a model_type nor an architecture; name a language model's config.json."
        )
    for key in declared.TEXT_KEYS:
        section = config.get(key)
        if (
            not config.get("is_encoder_decoder")
            and isinstance(section, Mapping)
            and (section.get("model_type") or section.get("hidden_size"))
        ):
            hints = {key: config[key] for key in ("architectures", "auto_map") if config.get(key)}
            inner = shape_from_config({**hints, **section}, name)
            tower_of = str(config.get("model_type") or "multimodal")
            note = f"Text tower of a {tower_of} checkpoint; the rest is not counted."
            return replace(inner, text_tower_of=tower_of, notes=(note, *inner.notes))
    declared.check_declared(config, name)
    unknown.check_generates(config, name)
    classification.refuse(name, unknown.find_in_raw(config))

    def value(quantity: str) -> int | None:
        return declared.declared(config, declared.ALIASES[quantity], name)

    for quantity in ("num_hidden_layers", "hidden_size", "vocab_size"):
        if value(quantity) is None:
            raise declared.missing(name, quantity, declared.ALIASES[quantity])
    depth, width, heads = value("num_hidden_layers"), value("hidden_size"), value("num_attention_heads")
    vocabulary = value("vocab_size")
    assert depth is not None and width is not None and vocabulary is not None
    model_type = str(config.get("model_type") or unknown.words(config.get("architectures"))[0])
    return Shape(
        name=name,
        model_type=model_type,
        depth=depth,
        width=width,
        heads=heads,
        kv_heads=value("num_key_value_heads") or heads,
        head_size=value("head_dim") or (width // heads if heads else None),
        mlp_width=value("intermediate_size"),
        vocab_size=vocabulary,
        # save_pretrained leaves the key out only where it has the base class's default, which was true
        tied=bool(config.get("tie_word_embeddings", True)),
        context=max(value("max_position_embeddings") or 0, 0) or None,
        notes=(
            f"transformers does not know the type {model_type}: depth and width are the config's own words, no code"
            " of the model was run, and its parameters cannot be counted without it.",
        ),
    )
