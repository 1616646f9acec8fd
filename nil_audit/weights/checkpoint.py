"""A checkpoint, identified by its content, loaded, placed on a device and frozen."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from nil_audit.errors import CheckpointError, SourceError, UsageError
from nil_audit.processes import Team
from nil_audit.shape.architecture import Shape, read_shape
from nil_audit.weights.identity import PICKLED, Identity, identify

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}
Dtype = Literal["float32", "bfloat16", "float16", "float64"]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A frozen model with its tokenizer.

    Attributes:
        identity: Which checkpoint it is.
        shape: Its architecture.
        model: In evaluation mode, no parameter requires a gradient.
        tokenizer: The model's own.
        dtype: Of the loaded weights, "float32".
        device: Where the input embedding lies, "cpu" or "cuda:0".
        notes: Sentences for people.
    """

    identity: Identity
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
    name: str,
    *,
    identity: Identity | None = None,
    dtype: Dtype = "float32",
    device: str = "auto",
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
) -> Checkpoint:
    """Load a checkpoint's weights and tokenizer, check them, place them and freeze them.

    Args:
        name: A Hub id, ``id@revision`` or a local folder.
        identity: What ``identify(name)`` said, where it is known: that commit is loaded, and no folder hashed twice.
        dtype: Of the weights in memory.
        device: "auto" (the device of this process under accelerate; spread over several GPUs where one is too small),
            or a torch device.
        allow_pickle: Also load pickled weights, which can run code.
        trust_remote_code: Run the repository's own model code.

    Raises:
        UnsupportedArchitectureError: Not a dense decoder-only language model.
        CheckpointError: Weights or tokenizer are missing, damaged, pickled, not finite, or do not fit.
        SourceError: They cannot be reached.
    """
    shape = read_shape(name, trust_remote_code=trust_remote_code)
    identity = identity or identify(name)
    _quiet_transformers()
    tokenizer = _load_tokenizer(identity, trust_remote_code)
    model = _load_model(identity, dtype, device, allow_pickle, trust_remote_code)
    freeze(model)
    _check_weights(name, model)
    rows = embedding_weight(model).shape[0]
    if len(tokenizer) < rows // 2:
        shape = replace(
            shape,
            notes=(
                *shape.notes,
                f"The tokenizer of {name} knows {len(tokenizer):,} of the model's {rows:,} tokens.",
            ),
        )
    place = str(embedding_weight(model).device)
    return Checkpoint(
        identity=identity,
        shape=shape,
        model=model,
        tokenizer=tokenizer,
        dtype=dtype,
        device=place,
        notes=shape.notes,
    )


def _quiet_transformers() -> None:
    """Keep the library's reports off stderr: what matters in them becomes an error here."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity(logging.CRITICAL)


def _load_tokenizer(identity: Identity, trust_remote_code: bool) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            identity.reference, revision=identity.revision, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, ImportError) as error:
        reason = _first_line(error).removesuffix(" from one of")
        raise CheckpointError(
            f"{identity.name} has no tokenizer that transformers can load ({reason}); put its tokenizer.json beside "
            "the weights, or install the package that the tokenizer asks for."
        ) from error
    except Exception as error:  # a damaged file raises KeyError, TypeError or a bare Exception from Rust
        raise CheckpointError(
            f"The tokenizer of {identity.name} is damaged ({type(error).__name__}: {_first_line(error)}); fetch its "
            "files again."
        ) from error


def _model_class(identity: Identity, trust_remote_code: bool) -> Any:
    """The auto class for the model type: text towers of multimodal checkpoints load as their whole model."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

    config = AutoConfig.from_pretrained(
        identity.reference, revision=identity.revision, trust_remote_code=trust_remote_code
    )
    causal = type(config) in AutoModelForCausalLM._model_mapping or "AutoModelForCausalLM" in (
        getattr(config, "auto_map", None) or {}
    )
    return AutoModelForCausalLM if causal else AutoModelForImageTextToText


def _load_model(
    identity: Identity, dtype: str, device: str, allow_pickle: bool, trust_remote_code: bool
) -> torch.nn.Module:
    from safetensors import SafetensorError

    name = identity.name
    arguments: dict[str, Any] = {"revision": identity.revision, "trust_remote_code": trust_remote_code}
    if not allow_pickle:
        arguments["use_safetensors"] = True
    try:
        auto = _model_class(identity, trust_remote_code)
        model, info = auto.from_pretrained(
            identity.reference,
            dtype=DTYPES[dtype],
            device_map=_device_map(identity, device, dtype),
            output_loading_info=True,
            **arguments,
        )
    except SafetensorError as error:
        raise CheckpointError(
            f"The weights of {name} are damaged or cut short ({_first_line(error)}); fetch the file again."
        ) from error
    except OSError as error:
        raise _no_weights(identity, error) from error
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
            message = f"{name} does not load ({_first_line(error)}); check its files, or update transformers."
        raise CheckpointError(message) from error
    if missing := sorted(info["missing_keys"]):
        raise CheckpointError(
            f"{name} lacks {len(missing)} weight tensor{'s' * (len(missing) > 1)} that its config.json asks for "
            f"({', '.join(missing[:3])}{', ...' * (len(missing) > 3)}); fetch it again, or correct the config."
        )
    return model


def _no_weights(identity: Identity, error: OSError) -> SourceError | CheckpointError:
    """Tell pickled weights from none and from an unreachable Hub."""
    names = _file_names(identity)
    if any(name.endswith(".safetensors") for name in names):
        return CheckpointError(
            f"The weights of {identity.name} cannot all be read ({_first_line(error)}); fetch the checkpoint again."
        )
    if any(name.endswith(PICKLED) for name in names):
        return CheckpointError(
            f"{identity.name} has only pickled weights, which can run code when loaded; use a safetensors version, or "
            "--allow-pickle if you trust where they come from."
        )
    if names:
        return CheckpointError(
            f"{identity.name} has no weights (no *.safetensors); name a folder or repository with weights."
        )
    return SourceError(
        f"The weights of {identity.name} cannot be fetched ({_first_line(error)}); check the network, or use a local "
        "folder."
    )


def _file_names(identity: Identity) -> list[str]:
    if identity.source == "local":
        return [path.name for path in Path(identity.reference).iterdir()]
    from huggingface_hub import HfApi

    try:
        return list(HfApi().list_repo_files(identity.reference, revision=identity.revision))
    except Exception:  # offline: what is there is not known
        return []


def _device_map(identity: Identity, device: str, dtype: str) -> Any:
    """Where the weights go: one device, or spread over the GPUs where one is too small for them."""
    from accelerate import PartialState

    team = Team.join()
    if device != "auto":
        try:
            return {"": torch.device(device)}
        except RuntimeError as error:
            raise UsageError(f"There is no device {device!r}; use auto, cpu, cuda, cuda:1 or mps.") from error
    state = PartialState()
    if state.device.type == "cuda" and team.size == 1 and torch.cuda.device_count() > 1:
        counted = read_shape(identity.name).parameters
        free, _ = torch.cuda.mem_get_info(state.device)
        if counted is not None and counted.total * DTYPES[dtype].itemsize > 0.6 * free:
            return "auto"
    return {"": state.device}


def _check_weights(name: str, model: torch.nn.Module) -> None:
    for key, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise CheckpointError(
                f"The weights of {name} hold NaN or infinity in {key}; fetch the checkpoint again, or use --dtype "
                "float32 if it was saved in a wider type."
            )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".: ") if lines else type(error).__name__
