"""``build``: from a project to a Bento in the store."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import bentopack
from bentopack._fs import SCRATCH
from bentopack.bento.build import Tools, build_bento
from bentopack.bento.digest import read_digest, verify
from bentopack.bento.options import BuildOptions
from bentopack.bento.project import read_project
from bentopack.bento.store import BuiltBento, bento_store, list_bentos
from bentopack.errors import IntegrityError, LockError, NotFound, SpecError
from bentopack.lock.renewal import Renewal
from bentopack.spec.manifest import BaseInfo, read_manifest
from bentopack.tag import InvalidTag
from tests.doubles import FixedImages, FixedResolver, Recorder
from tests.echo import ECHO, echo_project
from tests.lock.channel import local_channel
from tests.lock.wheel import write_wheel


def build(
    folder: Path,
    resolver: FixedResolver | None = None,
    *,
    images: FixedImages | None = None,
    reporter: Recorder | None = None,
    **options: Any,
) -> BuiltBento:
    """Build a project with stand-ins for the index and for the registry."""
    tools = Tools(resolver or FixedResolver(), images or FixedImages(), reporter or Recorder())
    return build_bento(read_project(folder), BuildOptions("linux/amd64", **options), tools)


def test_a_bento_holds_what_the_design_promises(home: Path, tmp_path: Path) -> None:
    """Code, manifest, README, locked requirements, the runtime, Dockerfiles and sums lie where users are told."""
    built = build(echo_project(tmp_path / "p"))
    found = {path.relative_to(built.path).as_posix() for path in built.path.rglob("*") if path.is_file()}
    assert found == {
        "README.md",
        "SHA256SUMS",
        "bento.yaml",
        "env/docker/Dockerfile",
        "env/python/cpu/requirements.in",
        "env/python/cpu/requirements.lock",
        f"env/runtime/bentopack-{bentopack.__version__}-py3-none-any.whl",
        "env/sbom/cpu.cdx.json",
        "src/service.py",
    }
    assert read_manifest(built.path) == built.manifest
    assert built.manifest.service.apis[0].route == "/echo"
    assert built.tag.version == built.digest.removeprefix("sha256:")[:16]


def test_two_builds_of_one_tree_give_one_tag(home: Path, tmp_path: Path) -> None:
    """Building again changes nothing: not the tag, not the bytes, not the lock, and nothing is resolved again."""
    project, resolver = echo_project(tmp_path / "p"), FixedResolver()
    first = build(project, resolver)
    lock = (project / "bentofile.lock").read_bytes()
    second = build(project, resolver)
    assert (first.tag, first.digest, first.reused) == (second.tag, second.digest, False)
    assert second.reused
    assert (project / "bentofile.lock").read_bytes() == lock
    assert len(resolver.asked) == 1
    assert len(bento_store().list()) == 1


def test_place_mode_and_time_change_nothing(home: Path, tmp_path: Path) -> None:
    """Another folder, other times and a narrow umask give the same Bento."""
    first = build(echo_project(tmp_path / "p"))
    other = tmp_path / "deeper/down/q"
    shutil.copytree(tmp_path / "p", other)
    (other / "service.py").chmod(0o600)
    os.utime(other / "service.py", (1, 1))
    shutil.rmtree(home / "bentos")
    before = os.umask(0o077)
    try:
        second = build(other)
    finally:
        os.umask(before)
    assert second.digest == first.digest
    modes = {path.stat().st_mode & 0o777 for path in second.path.rglob("*")}
    assert modes == {0o755, 0o644}


def test_a_changed_line_is_another_bento(home: Path, tmp_path: Path) -> None:
    """Any change of the source gives another version."""
    project = echo_project(tmp_path / "p")
    first = build(project)
    with (project / "service.py").open("a") as file:
        file.write("# changed\n")
    assert build(project).tag != first.tag


def test_sha256sum_alone_proves_a_bento(home: Path, tmp_path: Path) -> None:
    """``sha256sum -c SHA256SUMS`` agrees, without bentopack, also about names with spaces and umlauts."""
    project = echo_project(tmp_path / "p", bentofile__yaml="service: service:Echo\n")
    (project / " odd  näme *.txt").write_text("x")
    built = build(project)
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"], cwd=built.path, check=True)
    assert verify(built.path) == built.digest == read_digest(built.path)


def test_each_difference_is_named(home: Path, tmp_path: Path) -> None:
    """A file that is missing, added or changed is named, each for itself."""
    built = build(echo_project(tmp_path / "p"))
    (built.path / "README.md").unlink()
    (built.path / "extra").write_text("x")
    (built.path / "src/service.py").write_text("x")
    with pytest.raises(IntegrityError) as error:
        verify(built.path)
    assert {"added: extra", "changed: src/service.py", "missing: README.md"} <= set(
        error.value.message.replace("  ", "").split("\n")
    )


def test_models_are_carried_and_linked(home: Path, tmp_path: Path) -> None:
    """A declared model lies in the Bento, sharing its bytes with the store where the file system can link."""
    saved = bentopack.save_model("table", {"a": 1})
    code = ECHO["service.py"].replace("class Echo:", "class Echo:\n    m = bentopack.model('table:latest')\n")
    built = build(echo_project(tmp_path / "p", service__py=code))
    (model,) = built.manifest.models
    assert (model.spellings, model.tag, model.framework) == (("table:latest",), str(saved.tag), "picklable")
    artifact = built.path / model.path / "model.pkl"
    assert artifact.samefile(saved.path / "model.pkl")


def test_a_new_model_is_another_bento_without_resolving(home: Path, tmp_path: Path) -> None:
    """Training again changes the Bento and the lock's models, and the packages stay as they were locked."""
    project, resolver = (
        echo_project(tmp_path / "p", bentofile__yaml="service: service:Echo\nmodels: [table]\n"),
        FixedResolver(),
    )
    bentopack.save_model("table", 1)
    first = build(project, resolver)
    newer = bentopack.save_model("table", 2)
    second = build(project, resolver)
    assert first.tag != second.tag
    assert str(newer.tag) in (project / "bentofile.lock").read_text()
    assert len(resolver.asked) == 1


def test_all_missing_models_are_told_at_once(home: Path, tmp_path: Path) -> None:
    """Models that are not in the store are named together, with the near ones."""
    bentopack.save_model("table", 1)
    project = echo_project(tmp_path / "p", bentofile__yaml="service: service:Echo\nmodels: [tabel, 'table:0']\n")
    with pytest.raises(NotFound) as error:
        build(project)
    assert "'tabel:latest'" in error.value.message and "'table:0'" in error.value.message
    assert "near: table:" in str(error.value.hint)


def test_a_failed_build_leaves_nothing(home: Path, tmp_path: Path) -> None:
    """When the requirements cannot be resolved there is no Bento, no lock and no scratch folder."""

    class NoIndex(FixedResolver):
        def resolve(self, request, target, reporter):  # type: ignore[no-untyped-def]
            raise LockError("the index is down")

    project = echo_project(tmp_path / "p")
    with pytest.raises(LockError):
        build(project, NoIndex())
    assert not (project / "bentofile.lock").exists()
    assert list(bento_store().root.iterdir()) == []


@pytest.mark.parametrize("damage", ["shorten", "remove", "sums"])
def test_a_damaged_bento_is_not_called_another(home: Path, tmp_path: Path, damage: str) -> None:
    """Where what is stored under a digest's own version is not that, a build says so, and how to make it whole."""
    project = echo_project(tmp_path / "p")
    built = build(project)
    match damage:
        case "shorten":
            (built.path / "src/service.py").write_text("")
        case "remove":
            (built.path / "src/service.py").unlink()
        case _:
            (built.path / "SHA256SUMS").write_text("nothing")
    with pytest.raises(IntegrityError, match=f"the stored Bento '{built.tag}' is damaged") as told:
        build(project)
    assert f"bentopack verify {built.tag}" in str(told.value.hint)
    assert f"bentopack delete {built.tag}" in str(told.value.hint)
    bento_store().delete(built.tag)
    assert verify(build(project).path) == built.digest


def test_a_users_version_is_never_given_to_other_bytes(home: Path, tmp_path: Path) -> None:
    """A version that the user chose is kept; building other content under it is refused."""
    project = echo_project(tmp_path / "p")
    assert str(build(project, version="1.0").tag) == "echo:1.0"
    assert build(project, version="1.0").reused
    with (project / "service.py").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(IntegrityError, match=r"'echo:1\.0' is stored already, with other content"):
        build(project, version="1.0")


def test_secrets_are_warned_of_and_refused_when_strict(home: Path, tmp_path: Path) -> None:
    """A file that looks like a secret is a warning, and with --strict an error."""
    project = echo_project(tmp_path / "p", bentofile__yaml="service: service:Echo\n", **{"conf/.env": "TOKEN=x"})
    recorder = Recorder()
    build(project, reporter=recorder)
    assert any("conf/.env" in warning for warning in recorder.warnings)
    with pytest.raises(SpecError, match=r"conf/\.env"):
        build(project, strict=True)


def test_a_model_without_its_package_is_warned_of(home: Path, tmp_path: Path) -> None:
    """A scikit-learn model in a Bento that locks no scikit-learn is told when it is built."""
    from sklearn.linear_model import LinearRegression

    bentopack.save_model("line", LinearRegression())
    project = echo_project(tmp_path / "p", bentofile__yaml="service: service:Echo\nmodels: [line]\n")
    recorder = Recorder()
    build(project, reporter=recorder)
    assert any("needs scikit-learn" in warning for warning in recorder.warnings)


@pytest.mark.parametrize(("build_of", "told"), [("{}", False), ("{}+cpu", False), ("{}.1+cpu", True)])
def test_a_model_of_another_build_is_of_the_same_release(home: Path, tmp_path: Path, build_of: str, told: bool) -> None:
    """A model that was saved by a release is at home with each build of it, as torch has them, and with no other."""
    from sklearn.linear_model import LinearRegression

    saved = bentopack.save_model("line", LinearRegression())
    locked = {name: build_of.format(version) for name, version in saved.description.packages.items()}
    project = echo_project(tmp_path / "p", bentofile__yaml="service: service:Echo\nmodels: [line]\n")
    recorder = Recorder()
    build(project, FixedResolver(locked), reporter=recorder)
    assert any("was saved with scikit-learn" in warning for warning in recorder.warnings) is told


def test_the_users_code_is_not_run(home: Path, tmp_path: Path) -> None:
    """A service that cannot be imported on this machine, and would tell if it were, is built all the same."""
    proof = tmp_path / "imported"
    code = (
        f"import no_such_package\nopen({str(proof)!r}, 'w')\n"
        + (echo_project(tmp_path / "x") / "service.py").read_text()
    )
    built = build(echo_project(tmp_path / "p", service__py=code))
    assert built.tag.name == "echo"
    assert not proof.exists()


def test_a_gpu_variant_has_its_own_environment(home: Path, tmp_path: Path) -> None:
    """``docker.cuda_version`` adds the gpu variant beside cpu."""
    text = "service: service:Echo\ninclude: [service.py]\ndocker: {cuda_version: '12.4'}\n"
    built = build(echo_project(tmp_path / "p", bentofile__yaml=text))
    assert list(built.manifest.variants) == ["cpu", "gpu"]
    assert (built.path / "env/python/gpu/requirements.lock").is_file()


@pytest.mark.parametrize(("cuda", "told"), [("12.4", True), ("13.0", False), (None, False)])
def test_torch_of_another_cuda_than_the_images_is_told(
    home: Path, tmp_path: Path, cuda: str | None, told: bool
) -> None:
    """Where an index gives torch libraries of another major version of CUDA, the build says which setting chooses."""
    docker = f"docker: {{cuda_version: '{cuda}'}}\n" if cuda else ""
    text = f"service: service:Echo\ninclude: [service.py]\npython: {{torch_index: false}}\n{docker}"
    packages = {"torch": "2.11.0", "nvidia-cudnn-cu13": "9.1", "nvidia-nvjitlink-cu13": "13.0", "nvidia-cublas": "13.0"}
    recorder = Recorder()
    project = read_project(echo_project(tmp_path / "p", bentofile__yaml=text))
    build_bento(project, BuildOptions("linux/amd64"), Tools(FixedResolver(packages), FixedImages(), recorder))
    warned = [each for each in recorder.warnings if "brings CUDA 13 (nvidia-cudnn-cu13, …)" in each]
    assert bool(warned) is told
    assert all("docker.cuda_version is 12.4" in each and "python.torch_index" in each for each in warned)


def test_bundled_wheels_and_a_setup_script_are_carried(home: Path, tmp_path: Path) -> None:
    """Wheels and the setup script of the bentofile lie in the Bento, where its requirements and Dockerfile look."""
    text = "service: service:Echo\npython: {wheels: [w/thing-1.0-py3-none-any.whl]}\ndocker: {setup_script: setup.sh}\n"
    project = echo_project(tmp_path / "p", bentofile__yaml=text, **{"setup.sh": "true\n"})
    (project / "w").mkdir()
    wheel = write_wheel(project / "w/thing-1.0-py3-none-any.whl", "thing", "1.0")
    built = build(project)
    assert (built.path / "env/python/cpu/wheels/thing-1.0-py3-none-any.whl").read_bytes() == wheel.read_bytes()
    assert "--find-links wheels" in (built.path / "env/python/cpu/requirements.lock").read_text()
    assert built.manifest.image.setup_script == "env/docker/setup_script"
    assert (built.path / "env/docker/setup_script").read_text() == "true\n"


def test_one_model_by_several_names_is_carried_once(home: Path, tmp_path: Path) -> None:
    """A model that the code and the bentofile spell differently is one model, and answers to every name."""
    saved = bentopack.save_model("table", {"a": 1})
    code = ECHO["service.py"].replace(
        "class Echo:", "class Echo:\n    a = bentopack.model('table:latest')\n    b = bentopack.model('champion')\n"
    )
    text = f"service: service:Echo\nmodels: [table, {{tag: '{saved.tag}', alias: champion}}]\n"
    built = build(echo_project(tmp_path / "p", service__py=code, bentofile__yaml=text))
    (model,) = built.manifest.models
    assert set(model.spellings) == {"table", "table:latest", str(saved.tag), "champion"}


def test_a_model_that_was_changed_is_not_built(home: Path, tmp_path: Path) -> None:
    """An artifact whose bytes are no longer those that were saved is refused, and named."""
    saved = bentopack.save_model("table", {"a": 1})
    with (saved.path / "model.pkl").open("ab") as file:
        file.write(b"x")
    project = echo_project(tmp_path / "p", bentofile__yaml="service: service:Echo\nmodels: [table]\n")
    with pytest.raises(IntegrityError, match="is not what was saved"):
        build(project)


@pytest.mark.parametrize("version", ["../../out", "a b", "latest", "x/y", ""])
def test_a_version_cannot_leave_the_store(home: Path, tmp_path: Path, version: str) -> None:
    """What could not be a tag's version is refused before anything is written."""
    with pytest.raises(InvalidTag):
        build(echo_project(tmp_path / "p"), version=version)
    assert not (home / "bentos").exists()


def test_a_bento_without_its_service_is_refused(home: Path, tmp_path: Path) -> None:
    """Patterns that leave out the service's own module are an error, not a Bento that cannot start."""
    project = echo_project(tmp_path / "p", bentofile__yaml="service: service:Echo\nexclude: ['service.py']\n")
    (project / "other.txt").touch()
    with pytest.raises(SpecError, match=r"bentofile\.yaml:2:1: exclude: service\.py, which holds the service"):
        build(project)


def test_a_store_inside_the_project_is_not_packed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With BENTOPACK_HOME in the project, as caches of CI have it, building twice still gives one tag."""
    project = echo_project(tmp_path / "p", bentofile__yaml="service: service:Echo\n")
    monkeypatch.setenv("BENTOPACK_HOME", str(project / ".store"))
    (project / f"{SCRATCH}left").touch()
    assert build(project).tag == build(project).tag
    assert not (build(project).path / f"src/{SCRATCH}left").exists()


def test_a_damaged_bento_does_not_hide_the_others(home: Path, tmp_path: Path) -> None:
    """Listing leaves out what cannot be read, with a warning, and shows the rest."""
    good = build(echo_project(tmp_path / "p"))
    (home / "bentos/echo/damaged").mkdir()
    recorder = Recorder()
    assert [bento.stored.tag for bento in list_bentos(reporter=recorder)] == [good.tag]
    assert "echo:damaged cannot be read" in recorder.warnings[0]


def test_a_base_without_a_digest_is_warned_of_and_refused_when_locked(home: Path, tmp_path: Path) -> None:
    """What the registry did not pin is told with the reason; a lock that must hold has to be allowed to name it."""
    project, recorder = echo_project(tmp_path / "p"), Recorder()
    built = build(project, images=FixedImages(digest=None), reporter=recorder)
    assert recorder.warnings == ["the base image python:3.11-slim-cpu of cpu has no digest: no registry answers"]
    assert built.manifest.variants["cpu"].base == BaseInfo(image="python:3.11-slim-cpu")
    with pytest.raises(LockError, match="has no digest") as error:
        build(project, renewal=Renewal(refuse=True))
    assert "--allow-unpinned" in str(error.value.hint)
    assert build(project, renewal=Renewal(refuse=True), allow_unpinned=True).tag == built.tag


def test_a_pinned_base_is_in_the_bento(home: Path, tmp_path: Path) -> None:
    """The digest that the registry gave is the Bento's, and stays though the registry has another one later."""
    project = echo_project(tmp_path / "p")
    built = build(project)
    base = built.manifest.variants["cpu"].base
    assert base is not None and base.digest == f"sha256:{'0' * 64}"
    assert build(project, images=FixedImages(digest=f"sha256:{'1' * 64}")).tag == built.tag


def test_conda_packages_are_locked_with_the_rest(home: Path, tmp_path: Path) -> None:
    """They are in the lock, the Bento and its bill of materials; the Python that they ask for is the Bento's."""
    with local_channel(tmp_path / "channel") as channel:
        channel.add("python", "3.12.4")
        channel.add("gdal", "3.8.0", "python >=3.11")
        text = (
            "service: service:Echo\npython: {packages: [msgspec]}\n"
            f"conda: {{channels: ['{channel.url}'], dependencies: [gdal, python=3.12, {{pip: [rasterio]}}]}}\n"
        )
        project, resolver = echo_project(tmp_path / "p", bentofile__yaml=text), FixedResolver()
        built = build(project, resolver)
        explicit = (built.path / "env/conda/cpu/explicit.txt").read_text()
        assert f"{channel.url}/linux-64/gdal-3.8.0-h0_0.conda#" in explicit
    assert (built.manifest.python, built.manifest.image.conda) == ("3.12", True)
    assert resolver.asked[0].lines == ("msgspec", "rasterio")
    assert "pkg:conda/gdal@3.8.0" in (built.path / "env/sbom/cpu.cdx.json").read_text()
    # Its channel is gone by now: what is locked is not solved again.
    assert build(project, resolver).digest == built.digest


def test_conda_and_the_bentofile_name_one_python(home: Path, tmp_path: Path) -> None:
    """Two that differ are told, with the place."""
    text = "service: service:Echo\npython: {version: '3.11'}\nconda: {dependencies: [python=3.12]}\n"
    with pytest.raises(SpecError, match=r"bentofile\.yaml:3:1: conda: asks for python 3\.12, and .* is 3\.11"):
        build(echo_project(tmp_path / "p", bentofile__yaml=text))


def test_a_template_that_is_no_text(home: Path, tmp_path: Path) -> None:
    """Told with its place; nothing is stored."""
    text = "service: service:Echo\ndocker:\n  dockerfile_template: t.j2\n"
    project = echo_project(tmp_path / "p", bentofile__yaml=text)
    (project / "t.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match=r"bentofile\.yaml:3:3: docker\.dockerfile_template: not UTF-8 text"):
        build(project)
    assert list(bento_store().list()) == []
