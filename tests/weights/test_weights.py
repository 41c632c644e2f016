"""`pvtt weights`, against a stand-in hub over HTTP; and the one list, against everything that names networks."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from pvtt.cli.main import main
from pvtt.params.file import load_params
from pvtt.params.profiles import overlaid_params, profile_names
from pvtt.weights.check import check_network, safetensors_fault
from pvtt.weights.fetch import select
from pvtt.weights.networks import NETWORKS, find_network, named_places, network_at, wanted
from tests.weights.hub import COMMIT, Hub

PROJECT = Path(__file__).resolve().parents[2]
DINO = "facebook/dinov2-base"
WEIGHTS = save({"layer.weight": np.ones((400, 300), np.float32)})
DINO_FILES = {
    "README.md": b"not wanted",
    "config.json": json.dumps({"model_type": "dinov2", "hidden_size": 768}).encode(),
    "preprocessor_config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"the same, unsafe",
}
STATE_DICT = b"\x80\x02 a pickled state dict"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({DINO: dict(DINO_FILES)}).serve() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    shutil.copytree(PROJECT / "infra" / "profiles", tmp_path / "infra" / "profiles")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("PVTT_PYTORCH_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecretsecret")
    return tmp_path


def ended(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


def test_what_is_fetched_is_whole_recorded_and_not_fetched_again(
    project: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["weights", "fetch", "dinov2-base"])
    place = project / "models" / "dinov2-base"
    assert sorted(path.name for path in place.iterdir()) == [
        "config.json", "model.safetensors", "preprocessor_config.json",
    ]  # fmt: skip
    lock = json.loads((project / "models" / "dinov2-base.lock.json").read_text())
    assert (lock["commit"], lock["revision"]) == (COMMIT, "main")
    hashes = {file["path"]: file["sha256"] for file in lock["files"]}
    assert hashes["model.safetensors"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert not (project / "models" / ".fetch" / "dinov2-base").exists()

    asked = len(hub.asked)
    main(["weights", "fetch", "dinov2-base"])
    main(["weights", "check", "dinov2-base", "--hashes"])
    assert len(hub.asked) == asked
    shown = capsys.readouterr()
    assert f"of commit {COMMIT}" in shown.out
    assert "hf_secret" not in shown.out + shown.err
    assert hub.tokens == {"Bearer hf_secretsecretsecret"}


def test_a_broken_download_goes_on_where_it_was_broken_off(
    project: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)
    hub.breaks = {"model.safetensors": 100_000}
    assert ended(["weights", "fetch", "dinov2-base"]) == 1
    assert "run the same command again to go on" in capsys.readouterr().err
    assert not (project / "models" / "dinov2-base").exists()  # nothing half there
    hub.mended, hub.asked = True, []
    main(["weights", "fetch", "dinov2-base"])
    files = [(path.rpartition("/")[2], of) for path, of in hub.asked if "/resolve/" in path]
    assert files == [("model.safetensors", "bytes=100000-"), ("preprocessor_config.json", None)]
    assert (project / "models" / "dinov2-base" / "model.safetensors").read_bytes() == WEIGHTS


def test_a_lock_pins_the_commit_until_it_is_updated(project: Path, hub: Hub) -> None:
    main(["weights", "fetch", "dinov2-base"])
    shutil.rmtree(project / "models" / "dinov2-base")
    hub.asked = []
    main(["weights", "fetch", "dinov2-base"])
    assert hub.asked[0][0] == f"/api/models/{DINO}/revision/{COMMIT}"
    main(["weights", "fetch", "dinov2-base", "--update"])
    assert any(path == f"/api/models/{DINO}/revision/main" for path, _ in hub.asked)


def test_gated_missing_and_lying_repositories_are_told_apart(
    project: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.gated = {"Wan-AI/Wan2.1-T2V-1.3B-Diffusers"}
    assert ended(["weights", "fetch", "wan2.1-t2v-1.3b"]) == 3
    assert "is gated" in capsys.readouterr().err
    assert ended(["weights", "fetch", "wan2.1-t2v-14b"]) == 3
    assert "is not on the hub, or is private" in capsys.readouterr().err
    hub.lies = {"model.safetensors": WEIGHTS[:-1] + b"x"}
    assert ended(["weights", "fetch", "dinov2-base"]) == 1
    assert "it is not what facebook/dinov2-base announces" in capsys.readouterr().err
    hub.lies = {"model.safetensors": WEIGHTS[:1000]}
    assert ended(["weights", "fetch", "dinov2-base"]) == 1
    assert "another size than announced" in capsys.readouterr().err
    assert not (project / "models" / "dinov2-base").exists()
    assert ended(["weights", "fetch", "dinov2-bsae"]) == 3
    assert "the nearest name is dinov2-base" in capsys.readouterr().err


def test_a_file_by_its_address_is_known_by_the_hash_in_its_name(
    project: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(["weights", "fetch", "lpips-alexnet"]) == 3
    assert "is not there (404)" in capsys.readouterr().err
    hub.plain = {"models/alexnet-owt-7be5be79.pth": STATE_DICT}
    assert ended(["weights", "fetch", "lpips-alexnet"]) == 1
    assert "announces" in capsys.readouterr().err
    assert "Bearer" not in str(hub.tokens)  # no account's token goes to another host


def test_no_room_is_said_before_anything_is_fetched(
    project: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pvtt.weights.fetch.MARGIN", 2**60)
    assert ended(["weights", "fetch", "dinov2-base"]) == 7
    assert "make room" in capsys.readouterr().err
    assert not any("/resolve/" in path for path, _ in hub.asked)


def test_damage_of_each_kind_is_found(project: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    main(["weights", "fetch", "dinov2-base"])
    place, network = project / "models" / "dinov2-base", find_network("dinov2-base")
    weights = place / "model.safetensors"
    weights.write_bytes(WEIGHTS[:-4])
    faults = check_network(project, network).faults
    assert any("were fetched" in fault for fault in faults)
    assert any("its header says" in fault for fault in faults)
    weights.write_bytes(WEIGHTS[:-1] + b"x")
    assert check_network(project, network).ok  # sizes and headers are right
    assert "its hash differs" in check_network(project, network, hashes=True).faults[0]
    weights.write_bytes(WEIGHTS)
    (place / "config.json").write_text(json.dumps({"model_type": "clip", "hidden_size": 512}))
    assert "config.json: model_type is 'clip', of this network it is 'dinov2'" in check_network(project, network).faults
    weights.unlink()
    assert ended(["weights", "check", "dinov2-base"]) == 3
    assert "model.safetensors is missing" in capsys.readouterr().out


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, b"\x02" + b"\0" * 7 + b"[]", WEIGHTS[:40], WEIGHTS + b"x"])
def test_a_safetensors_file_that_is_none_has_a_reason(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(data)
    assert safetensors_fault(tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes(WEIGHTS)
    assert safetensors_fault(tmp_path / "a.safetensors") is None


def test_a_pipeline_s_parts_and_shards_are_all_asked_for(project: Path) -> None:
    network = find_network("wan2.1-t2v-1.3b")
    shutil.copytree(PROJECT / "models" / "wan-tiny", project / network.place)
    (fault,) = {one.partition(":")[0] for one in check_network(project, network).faults}
    assert fault == "transformer/config.json"  # all parts are there, but of another size
    index = {"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}}
    (project / network.place / "transformer" / "model.safetensors.index.json").write_text(json.dumps(index))
    shutil.rmtree(project / network.place / "vae")
    faults = check_network(project, network).faults
    assert "transformer/part-2.safetensors is missing" in faults
    assert "vae/ is missing" in faults


def test_safe_weights_are_taken_where_there_are_both() -> None:
    names = ["config.json", "model.safetensors", "onnx/model.onnx", "onnx/config.json", "pytorch_model.bin"]
    assert select(names, ("*.json", "model.safetensors", "pytorch_model.bin")) == ["config.json", "model.safetensors"]
    assert "pytorch_model.bin" in select(["config.json", "pytorch_model.bin"], ("*.json", "pytorch_model.bin"))


def test_weights_at_another_place_are_checked_there(project: Path, hub: Hub) -> None:
    main(["weights", "fetch", "dinov2-base"])
    elsewhere = project / "disk" / "dinov2-base"
    elsewhere.parent.mkdir()
    (project / "models" / "dinov2-base").rename(elsewhere)
    network = network_at(str(elsewhere))
    assert network is find_network("dinov2-base")
    assert check_network(project, network, at=str(elsewhere)).ok
    assert check_network(project, network).faults == ("models/dinov2-base does not exist",)


# -- one list


def test_an_error_about_missing_weights_says_how_to_fetch_them(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["params", "--profile", "poc"])
    assert ended(["model", "summary"]) == 3
    assert "next: `pvtt weights fetch wan2.1-t2v-1.3b`; or " in capsys.readouterr().err


def test_every_place_that_a_profile_names_is_in_the_list() -> None:
    for name in profile_names(PROJECT / "infra" / "profiles"):
        params = overlaid_params(PROJECT / "params.yaml", PROJECT / "infra" / "profiles", name)
        unknown = [place for place in named_places(params) if network_at(place) is None]
        assert [place for place in unknown if not (PROJECT / place).exists()] == []
    poc = overlaid_params(PROJECT / "params.yaml", PROJECT / "infra" / "profiles", "poc")
    assert "wan2.1-t2v-1.3b" in wanted(poc)
    assert wanted(poc)["dinov2-base"] == ["evaluate.dino_weights"]
    assert wanted(load_params(PROJECT / "params.yaml")) == {}


def test_every_repository_that_the_code_names_is_in_the_list() -> None:
    owners = "Wan-AI|openai|facebook|IDEA-Research|flateon"
    known = {network.repo for network in NETWORKS}
    for path in (PROJECT / "pvtt").rglob("*.py"):
        for repo in re.findall(rf"\b((?:{owners})/[\w.-]*\w)", path.read_text(encoding="utf-8")):
            assert repo in known, f"{path}: {repo}"


def test_files_of_trunks_are_those_that_the_losses_load() -> None:
    from pvtt.models.perceptual import TRUNKS

    files = {Path(network.place).name for network in NETWORKS if network.kind == "state_dict"}
    assert files == {file for _, file in TRUNKS.values()}


def test_the_page_has_every_network_with_its_licence() -> None:
    rows = [
        line.split("|") for line in (PROJECT / "docs" / "weights.md").read_text().splitlines() if line.count("|") == 7
    ]
    page = {row[1].strip(" `"): (row[2].strip(), row[4].strip(), row[5].strip(" `")) for row in rows[2:]}
    assert page == {
        network.name: (network.source.removeprefix("https://"), network.licence, network.place) for network in NETWORKS
    }


def test_what_is_fetched_stays_out_of_git_and_its_lock_does_not() -> None:
    def ignored(path: str) -> bool:
        return subprocess.run(["git", "check-ignore", "-q", path], cwd=PROJECT).returncode == 0

    for network in NETWORKS:
        assert ignored(network.place), network.place
        if network.place.count("/") == 1:
            assert not ignored(f"{network.place}.lock.json")
    assert not ignored("models/wan-tiny/model_index.json")


def test_the_list_reads_in_a_terminal(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["weights", "ls"])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    assert "main: recorded at the first fetch" in shown
    main(["weights", "ls", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["wan2.1-t2v-1.3b"]["profiles"] == ["poc"]
    assert rows["sam2.1-hiera-large"]["profiles"] == ["cogvideox", "poc", "prod"]
