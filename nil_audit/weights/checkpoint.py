"""A checkpoint loaded from one source, checked, placed on a device and frozen."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nil_audit.errors import CheckpointError, NilAuditError, first_line
from nil_audit.processes import Team
from nil_audit.progress import quiet_libraries
from nil_audit.shape import hf_config, meta_model
from nil_audit.shape.architecture import Shape
from nil_audit.shape.parameters import count, tied
from nil_audit.source import Source
from nil_audit.weights import Dtype, check_device
from nil_audit.weights.files import WeightFiles, find_weights
from nil_audit.weights.gguf import load_gguf, unpacking_memory
from nil_audit.weights.memory import require_memory
from nil_audit.weights.quantised import check_floating, not_dequantised, packed, quantisation, refuse_stored_integers

# What checkpoints hold besides weights: masks, positions and rotations that the model computes itself.
_COMPUTED = re.compile(
    r"(position_ids|inv_freq|(cos|sin)_cached|(attn|attention)\.(masked_)?bias|causal_mask|_extra_state)$"
)
# What leads into the text tower of a multimodal checkpoint, of which the text alone may be loaded.
_BRIDGES = re.compile(r"projector|connector|merger|mm_|multi_modal|aligner")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A frozen model with its tokenizer.

    Attributes:
        source: Where it came from.
        shape: Its architecture, with the parameters that were loaded.
        model: In evaluation mode, no parameter requires a gradient.
        tokenizer: The model's own.
        dtype: Of the loaded weights, "float32".
        device: Where the input embedding lies, "cpu" or "cuda:0".
        notes: Sentences for people.
    """

    source: Source
    shape: Shape
    model: torch.nn.Module
    tokenizer: Any
    dtype: str
    device: str
    notes: tuple[str, ...] = ()


def freeze(model: torch.nn.Module) -> None:
    """Evaluation mode and no parameter gradients: only activations are differentiated."""
    model.eval()
    model.requires_grad_(False)


def embedding_weight(model: torch.nn.Module) -> torch.Tensor:
    """The input embedding matrix of a transformers model, shape (V, d)."""
    return model.get_input_embeddings().weight  # type: ignore[operator]


def load_checkpoint(
    source: Source,
    shape: Shape,
    *,
    dtype: Dtype = "float32",
    device: str = "auto",
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
) -> Checkpoint:
    """Load a checkpoint's weights and tokenizer, check them, place them and freeze them.

    Args:
        source: From `nil_audit.source.resolve`.
        shape: What `nil_audit.shape.architecture.read_shape` read of the same source.
        dtype: Of the weights in memory.
        device: "auto" (the device of this process under accelerate; spread over several GPUs where one is too small),
            or a torch device.
        allow_pickle: Also load pickled weights, which can run code.
        trust_remote_code: Run the repository's own model code.

    Raises:
        CheckpointError: Weights or tokenizer are missing (the source is a configuration file), damaged, pickled,
            quantised, not finite, others than the config describes, changed in between, or do not fit.
        ConfigError: It is an adapter alone, or a file beside the weights is not the JSON that it should be.
        SourceError: They cannot be reached.
        UsageError: There is no such device on this machine.
    """
    source.require_weights()
    placed = _device_map(shape, device, dtype)
    require_memory(shape, dtype, device, source.name)
    if source.gguf is not None:  # turned back on the host, wherever the model goes
        require_memory(shape, dtype, "cpu", source.name, beside=unpacking_memory(source.gguf))
    _ = source.digest  # of what is there before anything is read
    with quiet_libraries():
        if source.gguf is not None:
            model, tokenizer, said = load_gguf(source.name, source.config, source.gguf, dtype, placed)
        else:
            files = find_weights(source, allow_pickle=allow_pickle, trust_remote_code=trust_remote_code)
            tokenizer = _load_tokenizer(source, trust_remote_code)
            model, dequantised = _load_model(source, shape, files, dtype, placed, allow_pickle, trust_remote_code)
            said = [*files.notes, *dequantised]
    source.check_unchanged()
    freeze(model)
    _check_finite(source.name, model, dtype)
    notes = [*shape.notes, *said]
    rows = embedding_weight(model).shape[0]
    if len(tokenizer) < rows // 2:
        notes.append(f"The tokenizer of {source.name} knows {len(tokenizer):,} of the model's {rows:,} tokens.")
    loaded = _as_loaded(shape, model)
    if loaded.tied != shape.tied:
        notes.append(
            f"The config of {source.name} says that its input and output embedding are one matrix, but its weights hold"
            " two: both are used and counted."
        )
    return Checkpoint(
        source=source,
        shape=loaded,
        model=model,
        tokenizer=tokenizer,
        dtype=dtype,
        device=str(embedding_weight(model).device),
        notes=tuple(notes),
    )


def _as_loaded(shape: Shape, model: torch.nn.Module) -> Shape:
    """The shape with the parameters of the model as loaded, where its embeddings are not tied as the config says."""
    found = meta_model.held(model, shape.name, depth=shape.depth, text_only=shape.text_tower_of is None)
    if shape.parameters is None or tied(found) == shape.tied:
        return shape
    return replace(shape, tied=tied(found), parameters=count(found))


def _load_tokenizer(source: Source, trust_remote_code: bool) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source.reference, revision=source.revision, trust_remote_code=trust_remote_code
        )
    except Exception as error:  # a damaged file raises KeyError, TypeError or a bare Exception from Rust
        if _asks_for_code(error):
            raise _needs_code(source.name) from error
        if isinstance(error, OSError | ValueError | ImportError):
            reason = first_line(error).removesuffix(" from one of")
            raise CheckpointError(
                f"{source.name} has no tokenizer that transformers can load ({reason}); put its tokenizer.json beside "
                "the weights, or install the package that the tokenizer asks for."
            ) from error
        raise CheckpointError(
            f"The tokenizer of {source.name} is damaged ({first_line(error)}); fetch its files again."
        ) from error
    longest = getattr(tokenizer, "model_max_length", None)
    if isinstance(longest, bool) or not isinstance(longest, int | float):
        raise CheckpointError(
            f"The tokenizer_config.json of {source.name} has model_max_length = {longest!r:.100}, which is no number of"
            " tokens; correct or remove it."
        )
    return tokenizer


def _model_class(config: Any) -> Any:
    """The auto class for the model type: text towers of multimodal checkpoints load as their whole model."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    causal = type(config) in AutoModelForCausalLM._model_mapping or "AutoModelForCausalLM" in (
        getattr(config, "auto_map", None) or {}
    )
    return AutoModelForCausalLM if causal else AutoModelForImageTextToText


def _load_model(
    source: Source,
    shape: Shape,
    files: WeightFiles,
    dtype: str,
    device_map: Any,
    allow_pickle: bool,
    trust_remote_code: bool,
) -> tuple[torch.nn.Module, list[str]]:
    """The model, and a note where its weights were dequantised."""
    from transformers import AutoConfig

    name = source.name
    dtypes = files.dtypes(name)
    method = None
    try:
        config = AutoConfig.from_pretrained(files.folder, trust_remote_code=trust_remote_code)
        hf_config.drop_foreign_sections(config)
        method = quantisation(config, name)
        if method is None:
            refuse_stored_integers(name, dtypes)
        model, info = _model_class(config).from_pretrained(
            files.folder,
            config=config,
            trust_remote_code=trust_remote_code,
            use_safetensors=None if allow_pickle else True,
            dtype=getattr(torch, dtype),
            device_map=device_map,
            output_loading_info=True,
            # an adapter beside the weights would be looked for here, and applied without a word
            adapter_kwargs={"subfolder": "no-adapter"},
        )
    except NilAuditError:
        raise
    except Exception as error:  # whatever a model class, a config class or a quantiser raises
        raise _does_not_load(name, dtype, method, files.folder, error) from error
    check_floating(name, model, method, dtypes)
    _check_keys(name, shape, info)
    if not packed(dtypes):
        return model, []
    for parameter in model.parameters():  # transformers leaves them in the type of their scales
        parameter.data = parameter.data.to(getattr(torch, dtype))
    return model, [f"The weights of {name} are quantised by {method}, and were turned back into {dtype} as they stand."]


def _does_not_load(name: str, dtype: str, method: str | None, folder: Path, error: Exception) -> CheckpointError:
    """The sentence for what transformers raised while it loaded a model."""
    said = str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        narrower = "--dtype bfloat16, or " if dtype in ("float32", "float64") else ""
        return CheckpointError(f"{name} does not fit into memory as {dtype}; use {narrower}a device with more memory.")
    if method is not None:
        return not_dequantised(name, method, error)
    if _asks_for_code(error):
        return _needs_code(name)
    if "mismatched_sizes" in said:
        return CheckpointError(
            f"Weights of {name} have other sizes than its config.json says; use the config of this checkpoint."
        )
    remedy = "update transformers" if "does not recognize this architecture" in said else "check its files"
    reason = first_line(error).replace(str(folder), name)
    return CheckpointError(f"{name} does not load ({reason}); {remedy}.")


def _asks_for_code(error: Exception) -> bool:
    return "trust_remote_code" in str(error)


def _needs_code(name: str) -> CheckpointError:
    return CheckpointError(
        f"{name} needs the code of its own repository, which is not run unasked; add --trust-remote-code if you trust"
        " where it comes from."
    )


def _check_keys(name: str, shape: Shape, info: Any) -> None:
    """Check that the tensors of the checkpoint are those that its configuration asks for.

    Those that transformers declares ignorable for a model's class are not among the unexpected ones.
    """
    if missing := sorted(info["missing_keys"]):
        raise CheckpointError(
            f"{name} lacks {_tensors(missing)} that its config.json asks for ({_some(missing)}); fetch it again, or"
            " correct the config."
        )
    unexpected = sorted(key for key in info["unexpected_keys"] if not _COMPUTED.search(key))
    if shape.text_tower_of is not None:
        unexpected = [key for key in unexpected if not (meta_model.TOWER.search(key) or _BRIDGES.search(key))]
    if unexpected:
        raise CheckpointError(
            f"{name} holds {_tensors(unexpected)} that its config.json has no place for ({_some(unexpected)}), so it"
            " is not the model of this config; use the config that belongs to the weights."
        )


def _tensors(keys: list[str]) -> str:
    return f"{len(keys)} weight tensor{'s' * (len(keys) > 1)}"


def _some(keys: list[str]) -> str:
    return f"{', '.join(keys[:3])}{', ...' * (len(keys) > 3)}"


def _device_map(shape: Shape, device: str, dtype: str) -> Any:
    """Where the weights go: one device, or spread over the GPUs where one is too small for them."""
    from accelerate import PartialState

    team = Team.join()
    if device != "auto":
        check_device(device)
        return {"": torch.empty(0, device=device).device}
    state = PartialState()
    if state.device.type == "cuda" and team.size == 1 and torch.cuda.device_count() > 1:
        free, _ = torch.cuda.mem_get_info(state.device)
        if shape.parameters is not None and shape.parameters.total * getattr(torch, dtype).itemsize > 0.6 * free:
            return "auto"
    return {"": state.device}


def _check_finite(name: str, model: torch.nn.Module, dtype: str) -> None:
    wider = ", or use --dtype float32 if it was saved in a wider type" if dtype in ("float16", "bfloat16") else ""
    for key, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise CheckpointError(
                f"The weights of {name} hold NaN or infinity in {key}; fetch the checkpoint again{wider}."
            )
