"""What a client may write in a target file."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from monitord.documents.strict_yaml import PlainInt
from monitord.documents.validation import Duration, Labels, Model, Name, refuse
from monitord.errors import excerpt
from monitord.slurm import hostlist
from monitord.targets.address import Address, check_host, parse_exporter, parse_url

MAX_ENDPOINTS = 10_000

_FILE_PATH = re.compile(r"/[^\x00-\x1f\x7f]{1,4095}", re.ASCII)
_USER = re.compile(r"[^:\x00-\x1f\x7f]{1,256}", re.ASCII)
_SLURM_JOB = re.compile(r"[1-9][0-9]*(?:_[0-9]+)?", re.ASCII)


def _url(value: Any) -> Any:
    if not isinstance(value, str):
        raise refuse("expected a URL such as http://mel0042:8000/metrics")
    return _read(parse_url, value)


def _exporter(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise refuse('expected a port, "host:port" or a URL')
    return _read(parse_exporter, value)


def _host(value: Any) -> Any:
    return _read(check_host, value) if isinstance(value, str) else value


def _file_path(value: Any) -> Any:
    if not isinstance(value, str) or not _FILE_PATH.fullmatch(value):
        # The value may be the secret itself, so it is not repeated.
        raise refuse("expected the absolute path of a file, such as /home/you/secret, not its content")
    return value


def _user(value: Any) -> Any:
    if isinstance(value, str) and not _USER.fullmatch(value):
        raise refuse("a user name has 1 to 256 characters and no colon")
    return value


def _nodes(value: Any) -> Any:
    if not isinstance(value, str):
        raise refuse("expected a Slurm hostlist such as mel[0042-0045]")
    return _read(_expanded, value)


def _expanded(text: str) -> tuple[str, ...]:
    nodes = hostlist.expand(text, MAX_ENDPOINTS)
    for node in nodes:
        check_host(node)
    return tuple(nodes)


def _slurm_job(value: Any) -> Any:
    text = value.text if isinstance(value, PlainInt) else str(value) if type(value) is int else value
    if isinstance(text, str) and not _SLURM_JOB.fullmatch(text):
        raise refuse(
            f"'{excerpt(text)}' is not a Slurm job id; write a number, or \"1234_5\" for one task of an array"
        )
    return text


def _version(value: Any) -> Any:
    if isinstance(value, bool | float):  # to Python both can equal 1
        raise refuse("expected the whole number 1")
    return value


def _read(parser: Any, value: Any) -> Any:
    try:
        return parser(value)
    except ValueError as error:
        raise refuse(str(error)) from None


# For editors: close to what the functions above accept, never narrower.
_PORT = "0*[1-9][0-9]{0,4}"
_AUTHORITY = r"(\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?\]|[A-Za-z0-9][A-Za-z0-9._-]*)"
_URL = rf"[Hh][Tt][Tt][Pp][Ss]?://{_AUTHORITY}(:{_PORT})?([/?][!-\x22$-~]*)?#?"
_URL_SCHEMA = {"type": "string", "pattern": f"^{_URL}$", "examples": ["http://mel0042:8000/metrics"]}
_EXPORTER_SCHEMA = {
    "type": ["integer", "string"],
    "minimum": 1,
    "maximum": 65535,
    "pattern": f"^({_PORT}|{_AUTHORITY}:{_PORT}|{_URL})$",
    "examples": [9100, "mel0042:9400"],
}
_HOST_SCHEMA = {"type": "string", "pattern": r"^[A-Za-z0-9:][A-Za-z0-9:.%_-]*$", "examples": ["mel0042"]}
_NODES_SCHEMA = {
    "type": "string",
    "pattern": r"^([A-Za-z0-9._,\s-]|\[[0-9,-]+\])+$",
    "examples": ["mel[0042-0045]"],
}
_FILE_PATH_SCHEMA = {
    "type": "string",
    "pattern": f"^{_FILE_PATH.pattern}$",
    "examples": ["/home/you/secret"],
}
_USER_SCHEMA = {"type": "string", "pattern": f"^{_USER.pattern}$"}
_SLURM_JOB_SCHEMA = {"type": ["integer", "string"], "minimum": 1, "pattern": f"^{_SLURM_JOB.pattern}$"}
_AS_TEXT = PlainSerializer(str)

Url = Annotated[Address, BeforeValidator(_url), _AS_TEXT, WithJsonSchema(_URL_SCHEMA)]
ExporterAddress = Annotated[Address, BeforeValidator(_exporter), _AS_TEXT, WithJsonSchema(_EXPORTER_SCHEMA)]
Host = Annotated[str, BeforeValidator(_host), WithJsonSchema(_HOST_SCHEMA)]
Nodes = Annotated[tuple[str, ...], BeforeValidator(_nodes), WithJsonSchema(_NODES_SCHEMA)]
SlurmJob = Annotated[str, BeforeValidator(_slurm_job), WithJsonSchema(_SLURM_JOB_SCHEMA)]
FilePath = Annotated[str, BeforeValidator(_file_path), WithJsonSchema(_FILE_PATH_SCHEMA)]
User = Annotated[str, BeforeValidator(_user), WithJsonSchema(_USER_SCHEMA)]


def _by_reference(instead: str) -> str:
    return f"a target file must not contain secrets, because others may read it; write {instead} instead"


_BASIC_AUTH = _by_reference("basic_auth: {username: NAME, password_file: PATH}")
_BEARER_TOKEN = _by_reference("bearer_token_file: PATH")


class BasicAuthSpec(Model, title="basic authentication"):
    """A user name, and the file that its password is in."""

    refused_keys: ClassVar = {"password": _by_reference("password_file: PATH")}

    username: User = Field(description="the user's name")
    password_file: FilePath = Field(
        description="absolute path of the file with the password, readable by the daemon's user alone"
    )


class TlsSpec(Model, title="TLS"):
    """How an https endpoint is verified, and how Prometheus identifies itself to it."""

    refused_keys: ClassVar = {name: _by_reference(f"{name}_file: PATH") for name in ("ca", "cert", "key")}

    ca_file: FilePath | None = Field(
        default=None, description="absolute path of the certificates that the server's is checked with"
    )
    cert_file: FilePath | None = Field(
        default=None, description="absolute path of the client's certificate, if the server asks for one"
    )
    key_file: FilePath | None = Field(
        default=None, description="absolute path of its key, readable by the daemon's user alone"
    )
    server_name: Host | None = Field(
        default=None, description="the name in the server's certificate, if it is not the endpoint's"
    )
    insecure_skip_verify: bool = Field(
        default=False, description="whether the server's certificate is not checked at all"
    )


class AccessSpec(Model):
    """How Prometheus authenticates; credentials are given only as paths of files."""

    refused_keys: ClassVar = {
        **dict.fromkeys(("username", "password"), _BASIC_AUTH),
        **dict.fromkeys(("bearer_token", "token", "authorization", "credentials"), _BEARER_TOKEN),
    }

    basic_auth: BasicAuthSpec | None = Field(default=None, description="a user name and a password's file")
    bearer_token_file: FilePath | None = Field(
        default=None,
        description="absolute path of the file with a bearer token, readable by the daemon's user alone",
    )
    tls: TlsSpec | None = Field(default=None, description="certificates and the like, for https")

    @property
    def sets_access(self) -> bool:
        """Whether any access setting is given here."""
        return bool(self.basic_auth or self.bearer_token_file or self.tls)


class ServiceSpec(AccessSpec, title="service"):
    """One service that serves Prometheus metrics."""

    name: Name = Field(description="the service's name; becomes the labels job and service")
    endpoint: Url = Field(description="the URL of its metrics")
    labels: Labels = Field(default={}, description="labels on every series of this service")
    interval: Duration | None = Field(default=None, description="how often it is scraped")
    timeout: Duration | None = Field(default=None, description="how long one scrape may take")


class TargetFileSpec(AccessSpec):
    """A target file: what one client wants scraped.

    Its access settings are for all its exporters, and for services without their own.
    """

    version: Annotated[Literal[1], BeforeValidator(_version)] = Field(
        default=1, description="version of this format"
    )
    client: Name | None = Field(default=None, description="who registers; default: the file's stem")
    node: Host | None = Field(
        default=None, description="the client's node: host of bare ports and of localhost"
    )
    host: Host | None = Field(
        default=None, description="the machine this file was written on, if no node is given"
    )
    nodes: Nodes | None = Field(
        default=None, description="a Slurm hostlist: exporter ports are scraped on each"
    )
    exporters: dict[Name, ExporterAddress] = Field(
        default={}, description="kind of exporter -> port, host:port, URL"
    )
    services: list[ServiceSpec] = Field(default=[], description="services to scrape")
    labels: Labels = Field(default={}, description="labels on every series of this file")
    lease: Duration | None = Field(
        default=None, description="withdrawn when the file was not touched for this long"
    )
    slurm_job: SlurmJob | None = Field(default=None, description="withdrawn once this job has left the queue")
