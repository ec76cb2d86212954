"""The kinds of exporters: which programs serve each, and how these are called. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from monitord.errors import InvalidInputError, MonitordError

RUNTIMES = ("apptainer", "singularity")

Which = Callable[[str], str | None]
"""Returns the absolute path of a program in $PATH, or None."""


class MissingProgramError(MonitordError):
    """This node has no program for a kind of exporter."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of exporter.

    `listen` is the flag for `host:port`. A kind that needs a configuration has its content in `config` and
    the flag for its file in `config_flag`. `container` are options that its container needs.
    """

    name: str
    binaries: tuple[str, ...]
    listen: str
    config: str = ""
    config_flag: str = ""
    container: tuple[str, ...] = ()


# Without a configuration process-exporter shows no process at all.
_EVERY_PROCESS = """\
process_names:
  - name: "{{.Comm}}"
    cmdline: [".+"]
"""
KINDS = {
    kind.name: kind
    for kind in (
        Kind("node", ("node_exporter", "prometheus-node-exporter"), "--web.listen-address"),
        Kind("dcgm", ("dcgm-exporter",), "--address", container=("--nv",)),
        Kind(
            "process", ("process-exporter", "prometheus-process-exporter"), "--web.listen-address",
            _EVERY_PROCESS, "--config.path",
        ),
    )
}  # fmt: skip


def read_kinds(text: str) -> tuple[Kind, ...]:
    """Read kinds, comma-separated; one named twice counts once. Raises InvalidInputError."""
    names = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in KINDS]
    if unknown or not names:
        what = (
            f"unknown kind of exporter: {', '.join(unknown)}" if unknown else "no kind of exporter is given"
        )
        raise InvalidInputError(f"{what}; known kinds: {', '.join(KINDS)}")
    return tuple(KINDS[name] for name in names)


def find_program(kind: Kind, images: Mapping[str, str], which: Which, folder: str) -> tuple[str, ...]:
    """Return the command of a kind's exporter, without its arguments: a binary in $PATH, else an image.

    An image sees the host's processes and devices, and `folder`, where the kind's configuration lies.
    Raises MissingProgramError.
    """
    if binary := _first(kind.binaries, which):
        return (binary,)
    image = images.get(kind.name)
    if image is None:
        raise MissingProgramError(
            f"no {' or '.join(kind.binaries)} in $PATH; install one, or give --image {kind.name}=IMAGE.sif"
        )
    runtime = _first(RUNTIMES, which)
    if runtime is None:
        raise MissingProgramError(
            f"no {' or '.join(kind.binaries)} in $PATH, and no {' or '.join(RUNTIMES)} to run {image} with"
        )
    bound = ",".join(("/proc", "/sys", *((folder,) if kind.config else ())))
    return (runtime, "run", *kind.container, "--bind", bound, image)


def arguments(kind: Kind, host: str, port: int, config: str) -> tuple[str, ...]:
    """Return an exporter's own arguments; an empty host has it listen on every address."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    configured = (f"{kind.config_flag}={config}",) if kind.config else ()
    return (f"{kind.listen}={address}", *configured)


def _first(names: tuple[str, ...], which: Which) -> str | None:
    return next((path for name in names if (path := which(name))), None)
