"""The bentofile as types: every key that it may hold, what each means, and what it may be.

The JSON Schema in ``schemas/`` is made of these types, and so are the messages about what does not fit them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bentopack.spec import fields
from bentopack.spec.environment import as_entries, as_pairs
from bentopack.spec.requirement import (
    CondaChannel,
    FindLinks,
    IndexUrl,
    PipArgs,
    Requirement,
    TorchIndexSetting,
    dependency,
)
from bentopack.spec.scalars import plain

_OneOrMany = fields.OneOrMany()


class Section(BaseModel):
    """A mapping in the bentofile: frozen, and without keys that no one knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, data: Any) -> Any:
        # A key without a value (``envs:``) is as good as no key; one that no one knows is still told.
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


class Model(Section):
    """A model that goes into the Bento."""

    tag: fields.ModelTag = Field(description="Tag of the model in the model store, such as iris:latest.")
    alias: fields.Name | None = Field(default=None, description="Another name by which the code may ask for the model.")
    filter: fields.Line | None = Field(
        default=None, description="BentoML's query for a model by its labels. Refused: name the model by its tag."
    )


def _as_models(value: Any) -> Any:
    return [{"tag": item} if isinstance(item, str) else item for item in value] if isinstance(value, list) else value


class Env(Section):
    """An environment variable of the running service."""

    name: fields.EnvName = Field(description="Name of the variable.")
    value: fields.Value = Field(
        default="", description="Its value. Without one it has to be given when the Bento is deployed."
    )
    stage: Literal["all", "build", "runtime"] = Field(
        "all",
        description="When the variable is set. 'build' is refused for now; the other two mean the running service.",
    )


class Python(Section):
    """The section ``python``."""

    version: fields.PythonVersion | None = Field(
        default=None, description="Python of the image, such as 3.11. The one that runs the build when not given."
    )
    packages: Annotated[tuple[Requirement, ...], _OneOrMany] = Field(
        default=(), description="Packages that the service needs: requirements such as numpy>=1.26, git, folders."
    )
    requirements_txt: fields.FilePath | None = Field(
        default=None, description="A requirements file, or a pyproject.toml with dependencies; used beside 'packages'."
    )
    lockfile: fields.FilePath | None = Field(
        default=None,
        description="A pylock.toml, uv.lock or poetry.lock of the project, taken as it is; instead of 'packages'.",
    )
    lock_packages: fields.Flag = Field(
        default=True, description="Always true in effect: bentopack locks every package with its hash."
    )
    pack_git_packages: fields.Flag = Field(
        default=True, description="Always true in effect: packages from git are built once, and their wheels bundled."
    )
    index_url: IndexUrl | None = Field(
        default=None,
        description="Package index instead of PyPI. Credentials by netrc, keyring, PIP_INDEX_URL or ${VARIABLE}.",
    )
    extra_index_url: Annotated[tuple[IndexUrl, ...], _OneOrMany] = Field(
        default=(), description="Further package indexes."
    )
    torch_index: TorchIndexSetting = Field(
        default=True,
        description="Take torch, torchvision and torchaudio from PyTorch's own index, for the CUDA of each variant: "
        "true, false, or the address of a mirror of it.",
    )
    find_links: Annotated[tuple[FindLinks, ...], _OneOrMany] = Field(
        default=(), description="Pages or folders with links to packages."
    )
    no_index: fields.Flag = Field(
        default=False,
        description="Use no package index, only 'find_links' and 'wheels'; with 'lockfile', for its packages too.",
    )
    trusted_host: Annotated[tuple[fields.Host, ...], _OneOrMany] = Field(
        default=(), description="Hosts to which pip may speak without a valid certificate."
    )
    pip_args: PipArgs | None = Field(default=None, description="Further options for pip, as on its command line.")
    wheels: Annotated[tuple[fields.FilePath, ...], _OneOrMany] = Field(
        default=(), description="Wheels in the project to install beside the packages."
    )


def _cuda(value: Any) -> Any:
    # BentoML takes these two as "no CUDA".
    return None if value in ("", "None") else value


class Docker(Section):
    """The section ``docker``."""

    distro: fields.Distro | None = Field(default=None, description="Linux distribution of the image, such as debian.")
    python_version: fields.PythonVersion | None = Field(
        default=None, description="Python of the image; the same as python.version, under BentoML's name."
    )
    cuda_version: Annotated[
        fields.CudaVersion | None, fields.listed(_cuda, fields.CudaVersion | Literal["", "None"] | None)
    ] = Field(default=None, description="CUDA of the GPU image, such as 12.4, or 'default'.")
    base_image: fields.ImageReference | None = Field(
        default=None, description="An image to build on, instead of a distribution's."
    )
    system_packages: Annotated[tuple[fields.SystemPackages, ...], _OneOrMany, AfterValidator(fields.words)] = Field(
        default=(), description="Packages of the distribution to install, such as libgomp1."
    )
    env: Annotated[
        dict[fields.EnvName, fields.Value],
        fields.listed(
            as_pairs,
            dict[fields.EnvName, fields.Value] | list[str | dict[Literal["name", "value"], fields.Value]] | str,
        ),
    ] = Field(
        default_factory=dict,
        description="Environment variables of the image: names and values, a list of NAME=value, or a .env file.",
    )
    setup_script: fields.FilePath | None = Field(default=None, description="A script to run while the image is built.")
    dockerfile_template: fields.FilePath | None = Field(
        default=None, description="A template of yours that extends the Dockerfile's blocks (docs/images.md)."
    )


CondaChannels: TypeAlias = Annotated[tuple[CondaChannel, ...], _OneOrMany]
CondaDependencies: TypeAlias = tuple[Annotated[Any, fields.listed(dependency, str | dict[str, list[str]])], ...]


class Conda(Section):
    """The section ``conda``: Python and libraries from conda, below the packages of pip."""

    environment_yml: fields.FilePath | None = Field(
        default=None, description="A conda environment file, instead of 'channels' and 'dependencies'."
    )
    channels: CondaChannels = Field(default=(), description="Conda channels, the first wins; conda-forge if none.")
    dependencies: CondaDependencies = Field(
        default=(), description="Conda packages, and a list of pip packages under the key 'pip'."
    )
    pip: Annotated[tuple[Requirement, ...], _OneOrMany] = Field(
        default=(), description="Pip packages, as under python.packages."
    )


class Spec(Section):
    """How to make a Bento of a project."""

    service: fields.ServiceTarget = Field(
        description="What is served: module:Class of a service, or module:app of an ASGI or WSGI application."
    )
    name: fields.Name | None = Field(default=None, description="Name of the Bento. The service's name when not given.")
    version: fields.Version | None = Field(
        default=None,
        description="Version of the Bento. Derived from the content when not given, which is the better choice.",
    )
    description: fields.Text | None = Field(
        default=None, description="What the Bento is, in Markdown; 'file: README.md' takes it from a file."
    )
    labels: dict[fields.LabelName, fields.Value] = Field(
        default_factory=dict, description="Names and values of your own, kept in the Bento and on the image."
    )
    include: Annotated[tuple[fields.Line, ...], _OneOrMany] = Field(
        default=(),
        description="Files that belong to the Bento, as gitignore patterns. All of the project when not given.",
    )
    exclude: Annotated[tuple[fields.Line, ...], _OneOrMany] = Field(
        default=(), description="Files that do not, as gitignore patterns; .bentoignore files say the same."
    )
    models: Annotated[tuple[Model, ...], fields.listed(_as_models, list[fields.ModelTag | Model])] = Field(
        default=(),
        description="Models that the Bento carries beside those that its code declares: tags, or {tag, alias}.",
    )
    envs: Annotated[
        tuple[Env, ...], fields.listed(as_entries, list[Env | str] | dict[fields.EnvName, fields.Value])
    ] = Field(default=(), description="Environment variables of the running service: a list of {name, value}.")
    python: Python = Field(default_factory=Python, description="The Python environment of the service.")
    docker: Docker = Field(default_factory=Docker, description="The container image.")
    conda: Conda = Field(default_factory=Conda, description="The conda environment.")
    args: Annotated[dict[str, Any], fields.listed(plain, dict[str, Any])] = Field(
        default_factory=dict, description="Default values of the service's own arguments."
    )

    @property
    def python_version(self) -> str | None:
        """``major.minor`` of the image's Python, under whichever of the two keys it was given."""
        written = self.python.version or self.docker.python_version
        return ".".join(written.split(".")[:2]) if written else None

    @property
    def environment(self) -> dict[str, str]:
        """The variables of ``envs`` by name."""
        return {env.name: env.value for env in self.envs}
