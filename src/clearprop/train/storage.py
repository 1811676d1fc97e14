"""Nested structures in a safetensors file: arrays as tensors, structure as JSON, never a pickle.

A class or function is written as its name and read back only if it is clearprop's, NumPy's ufunc, or a
Module class that the program has defined: a file cannot make anything be imported or run.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__
from ..core import tree
from ..core.errors import FileError, StructureError
from ..ops import activations

FORMAT = 1
"""Of the files written; a larger one belongs to a newer version of clearprop."""


def write_file(path: Path, parts: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write trees and facts about them; the file at path is replaced in one go."""
    import json

    from safetensors.numpy import save

    arrays: dict[str, Any] = {}
    forms = {}
    for name, part in parts.items():
        leaves, structure = tree.flatten(part)
        paths = [f"{name}.{p}" if p else name for p in tree.paths(part)]
        arrays |= {p: np.array(leaf, order="C") for p, leaf in zip(paths, leaves, strict=True)}
        forms[name] = _encode(structure)
    header = {"format": FORMAT, "version": __version__, "parts": forms, **about}
    content = save(arrays, metadata={"clearprop": json.dumps(header)})
    write_whole(path, content)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place, then move it there, so that it is complete or not there at all.

    Raises
    ------
    FileError
        If it cannot be written; what was there stays.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise FileError(f"cannot write {path}: {error.strerror}; choose another folder") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_file(path: Path, known: Mapping[str, tree.Structure]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the trees and facts of a file; ``known`` structures are used in place of the file's."""
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise FileError(f"{path} is a folder; name the .safetensors file in it")
    try:
        with safe_open(str(path), framework="numpy") as file:
            header = _header(path, file.metadata())
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    except FileNotFoundError:
        raise FileError(f"there is no file {path}") from None
    except (SafetensorError, OSError) as error:
        raise FileError(f"{path} is no safetensors file, or is cut off or damaged: {error}") from None
    try:
        parts = {name: _part(name, form, arrays, known.get(name)) for name, form in header["parts"].items()}
        return parts, {k: header[k] for k in ("history", "seed", "settings", "stopped")}
    except (KeyError, TypeError, AttributeError, StructureError) as error:
        raise FileError(f"{path} is damaged: {error}") from None


def _header(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    if not metadata or "clearprop" not in metadata:
        raise FileError(
            f"{path} was not written by clearprop: it holds tensors but no description of a model"
        )
    import json

    try:
        header = json.loads(metadata["clearprop"])
        newer = header["format"] > FORMAT
    except (ValueError, KeyError, TypeError):
        raise FileError(f"{path} is damaged: its description cannot be read") from None
    if newer:
        raise FileError(
            f"{path} was written by clearprop {header.get('version')} in format {header['format']}; this is "
            f"{__version__}, which reads up to {FORMAT}: update with pip install --upgrade clearprop"
        )
    return dict(header)


def _part(name: str, form: Any, arrays: Mapping[str, Any], known: tree.Structure | None) -> Any:
    structure = _decode(form) if known is None else known
    empty = tree.unflatten(structure, [np.zeros(0)] * tree.count(structure))
    paths = [f"{name}.{p}" if p else name for p in tree.paths(empty)]
    missing = [p for p in paths if p not in arrays]
    if missing:
        raise FileError(f"the file has no array {missing[0]!r} ({len(missing)} of {len(paths)} are missing)")
    return tree.unflatten(structure, [arrays[p] for p in paths])


# ---- structure as JSON


def _encode(structure: tree.Structure) -> Any:
    if isinstance(structure, tree.Static):
        return _encode_static(structure.value)
    if not isinstance(structure, tree.Node):
        return {"array": True}
    children = [_encode(child) for child in structure.children]
    if issubclass(structure.type, tree.Module):
        fields = dict(zip(structure.keys, children, strict=True))
        return {"module": f"{structure.type.__module__}.{structure.type.__qualname__}", "fields": fields}
    if issubclass(structure.type, dict):
        return {"dict": dict(zip(map(str, structure.keys), children, strict=True))}
    return {"list" if issubclass(structure.type, list) else "tuple": children}


def _encode_static(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    name = getattr(value, "__name__", repr(value))
    if isinstance(value, np.ufunc):
        return {"function": f"numpy.{name}"}
    if getattr(activations, name, None) is value:
        return {"function": f"clearprop.{name}"}
    return {"function": f"{getattr(value, '__module__', '')}.{name}"}


def _decode(form: Any) -> tree.Structure:
    if not isinstance(form, dict):
        return tree.Static(form)
    if "array" in form:
        return tree.LEAF
    if "function" in form:
        return tree.Static(_function(form["function"]))
    if "module" in form:
        cls = tree.MODULES.get(form["module"])
        if cls is None:
            raise FileError(
                f"the file's model uses the class {form['module']}, which this program has not defined: import it "
                f"before loading, or give cp.load(path, model=...) a model of the same structure"
            )
        fields = form["fields"]
        return tree.Node(cls, tuple(fields), tuple(map(_decode, fields.values())))
    if "dict" in form:
        return tree.Node(dict, tuple(form["dict"]), tuple(map(_decode, form["dict"].values())))
    kind, children = next((k, form[k.__name__]) for k in (list, tuple) if k.__name__ in form)
    return tree.Node(kind, tuple(range(len(children))), tuple(map(_decode, children)))


def _function(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    found = getattr({"clearprop": activations, "numpy": np}.get(module), attribute, None)
    if isinstance(found, np.ufunc) or getattr(found, "__module__", "") == activations.__name__:
        return found
    raise FileError(
        f"the file's model uses the function {name}, which is neither clearprop's nor a NumPy ufunc: give "
        f"cp.load(path, model=...) a model of the same structure"
    )
