"""A checkpoint loaded from one source, checked, placed on a device and frozen."""

from dataclasses import dataclass
from typing import Any

import torch

from nil_audit.errors import CheckpointError, SourceError, first_line
from nil_audit.folder import PICKLED
from nil_audit.processes import Team
from nil_audit.progress import quiet_libraries
from nil_audit.shape.architecture import Shape
from nil_audit.source import Source
from nil_audit.weights import Dtype, check_device


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A frozen model with its tokenizer.

    Attributes:
        source: Where it came from.
        shape: Its architecture.
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
        CheckpointError: Weights or tokenizer are missing (the source is a configuration file), damaged, pickled, not
            finite, or do not fit.
        SourceError: They cannot be reached.
        UsageError: There is no such device on this machine.
    """
    source.require_weights()
    with quiet_libraries():
        tokenizer = _load_tokenizer(source, trust_remote_code)
        model = _load_model(source, shape, dtype, device, allow_pickle, trust_remote_code)
    freeze(model)
    _check_weights(source.name, model)
    rows = embedding_weight(model).shape[0]
    few = f"The tokenizer of {source.name} knows {len(tokenizer):,} of the model's {rows:,} tokens."
    return Checkpoint(
        source=source,
        shape=shape,
        model=model,
        tokenizer=tokenizer,
        dtype=dtype,
        device=str(embedding_weight(model).device),
        notes=(*shape.notes, few) if len(tokenizer) < rows // 2 else shape.notes,
    )


def _load_tokenizer(source: Source, trust_remote_code: bool) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            source.reference, revision=source.revision, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, ImportError) as error:
        reason = first_line(error).removesuffix(" from one of")
        raise CheckpointError(
            f"{source.name} has no tokenizer that transformers can load ({reason}); put its tokenizer.json beside the "
            "weights, or install the package that the tokenizer asks for."
        ) from error
    except Exception as error:  # a damaged file raises KeyError, TypeError or a bare Exception from Rust
        raise CheckpointError(
            f"The tokenizer of {source.name} is damaged ({first_line(error)}); fetch its files again."
        ) from error


def _model_class(source: Source, trust_remote_code: bool) -> Any:
    """The auto class for the model type: text towers of multimodal checkpoints load as their whole model."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(source.reference, revision=source.revision, trust_remote_code=trust_remote_code)
    causal = type(config) in AutoModelForCausalLM._model_mapping or "AutoModelForCausalLM" in (
        getattr(config, "auto_map", None) or {}
    )
    return AutoModelForCausalLM if causal else AutoModelForImageTextToText


def _load_model(
    source: Source, shape: Shape, dtype: str, device: str, allow_pickle: bool, trust_remote_code: bool
) -> torch.nn.Module:
    from safetensors import SafetensorError

    name = source.name
    try:
        model, info = _model_class(source, trust_remote_code).from_pretrained(
            source.reference,
            revision=source.revision,
            trust_remote_code=trust_remote_code,
            use_safetensors=None if allow_pickle else True,
            dtype=getattr(torch, dtype),
            device_map=_device_map(shape, device, dtype),
            output_loading_info=True,
        )
    except SafetensorError as error:
        raise CheckpointError(
            f"The weights of {name} are damaged or cut short ({first_line(error)}); fetch the file again."
        ) from error
    except OSError as error:
        raise _no_weights(source, error) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise CheckpointError(
            f"{name} does not fit into memory as {dtype}; use --dtype bfloat16, or a device with more memory."
        ) from error
    except (RuntimeError, ValueError, ImportError, KeyError) as error:
        if "mismatched_sizes" in str(error):
            message = (
                f"Weights of {name} have other sizes than its config.json says; use the config of this checkpoint."
            )
        else:
            message = f"{name} does not load ({first_line(error)}); check its files, or update transformers."
        raise CheckpointError(message) from error
    if missing := sorted(info["missing_keys"]):
        raise CheckpointError(
            f"{name} lacks {len(missing)} weight tensor{'s' * (len(missing) > 1)} that its config.json asks for "
            f"({', '.join(missing[:3])}{', ...' * (len(missing) > 3)}); fetch it again, or correct the config."
        )
    return model


def _no_weights(source: Source, error: OSError) -> SourceError | CheckpointError:
    """Tell pickled weights from none and from an unreachable Hub."""
    names = _file_names(source)
    if any(name.endswith(".safetensors") for name in names):
        return CheckpointError(
            f"The weights of {source.name} cannot all be read ({first_line(error)}); fetch the checkpoint again."
        )
    if any(name.endswith(PICKLED) for name in names):
        return CheckpointError(
            f"{source.name} has only pickled weights, which can run code when loaded; use a safetensors version, or "
            "--allow-pickle if you trust where they come from."
        )
    if names:
        return CheckpointError(
            f"{source.name} has no weights (no *.safetensors); name a folder or repository with weights."
        )
    return SourceError(
        f"The weights of {source.name} cannot be fetched ({first_line(error)}); check the network, or use a local "
        "folder."
    )


def _file_names(source: Source) -> list[str]:
    if source.folder is not None:
        return [path.name for path in source.folder.iterdir()]
    from huggingface_hub import HfApi

    try:
        return list(HfApi().list_repo_files(source.reference, revision=source.revision))
    except Exception:  # offline: what is there is not known
        return []


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


def _check_weights(name: str, model: torch.nn.Module) -> None:
    for key, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise CheckpointError(
                f"The weights of {name} hold NaN or infinity in {key}; fetch the checkpoint again, or use --dtype "
                "float32 if it was saved in a wider type."
            )
