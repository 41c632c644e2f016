"""The routes that a run asks for: in every table, measured or with the reason why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.encoding.windows import load_window
from pvtt.errors import ParamsError, PvttError
from pvtt.evaluation.comparison import defeats
from pvtt.evaluation.contenders.all import measured_routes, others
from pvtt.evaluation.contenders.routes import fixed_routes, load_routes
from pvtt.evaluation.evaluate import run_id
from pvtt.evaluation.samples import choose
from pvtt.files.workspace import Workspace
from pvtt.generation.conditioned import ConditionedPipeline
from pvtt.items.cache import ItemCache
from pvtt.media.video import write_video
from pvtt.params.evaluate import RoutesParams
from pvtt.params.file import Params, parse_params
from pvtt.params.model import Conditioning
from pvtt.records.evaluation import read_evaluated, read_metrics
from pvtt.records.parts import PARTS
from pvtt.report.glossary import meanings
from pvtt.stages import decide, evaluate, report
from tests.evaluated import EvaluatedProject
from tests.evaluation.contenders.pipelines import save_image_to_video, save_trained, save_vace
from tests.tiny_wan import build_tiny_base

TOKENS: tuple[Conditioning, ...] = ("mask_channels", "product_tokens")


def asking(params: Params, *run: str, **folders: Any) -> Params:
    routes = RoutesParams.model_validate({"run": run, **folders}, strict=False)
    return params.model_copy(update={"evaluate": params.evaluate.model_copy(update={"routes": routes})})


@pytest.fixture
def project(evaluated_project: EvaluatedProject, tmp_path: Path) -> EvaluatedProject:
    root = tmp_path / "copy"
    shutil.copytree(evaluated_project.workspace.root, root)
    return EvaluatedProject(Workspace(root), evaluated_project.params)


def films_of(project: EvaluatedProject, folder: Path) -> Path:
    """The truths of all transfers as films that were made elsewhere."""
    folder.mkdir(parents=True)
    (folder / "sources.csv").write_text("name,source,licence,date\n*,Pippit <b>1</b>,terms,2026-05-04\n")
    encode = project.params.encode
    for one in choose(project.workspace, project.params):
        if one.part == "transfer":
            window = load_window(one.entry, project.workspace.root, encode)
            write_video(folder / f"{one.entry.key}.mp4", window.pixels, one.entry.fps / encode.frame_stride, crf=1)
    return folder


def test_all_routes_stand_beside_the_model_in_metrics_decision_and_report(project: EvaluatedProject) -> None:
    """Measured, or with the reason why not: there is no VACE here, and films of transfers alone."""
    workspace, root, encode = project.workspace, project.workspace.root, project.params.encode
    save_trained(root / "models" / "tokens", root / "models" / "base", encode, TOKENS)
    films_of(project, root / "films" / "pippit")
    run = ("first_frame", "points", "two_branch", "ip_adapter", "vace", "external")
    few = {"max_clips_per_split": 2, "max_transfers": 2, "min_n": 2}
    params = asking(project.params, *run, ip_adapter="models/tokens", external=["films/pippit"])
    params = params.model_copy(update={"evaluate": params.evaluate.model_copy(update=few)})
    before = {one.key: one.metrics for one in read_evaluated(workspace.out("evaluate"))}
    for stage in (evaluate, decide, report):
        stage.run(workspace, params, InlineDispatcher())

    metrics = read_metrics(workspace.metrics / "evaluate.json")
    assert [one.name for one in metrics.routes] == [*run[:-1], "pippit"]
    found = {one.name: one for one in metrics.routes}
    measured = run[:4]
    for part in ("train", "test", "transfer"):
        of_part = metrics.of_part(part)  # type: ignore[arg-type]
        model = of_part["product_psnr"].value
        for name in measured:
            other = of_part[f"product_psnr_{name}"].value
            assert other is not None
            assert of_part[f"{name}_gain"].value == pytest.approx((model or 0) - other)
            assert part not in found[name].unmeasured
        assert of_part["product_psnr_vace"].status == of_part["vace_gain"].status == "not_measured"
        assert "evaluate.routes.vace names no folder" in found["vace"].unmeasured[part]  # type: ignore[index]
    for sample in read_evaluated(workspace.out("evaluate")):
        values = [sample.metrics[f"product_psnr_{name}"] for name in ("paste", *measured)]
        assert len(set(values)) == len(values)  # each is a video of its own
        assert sample.metrics["product_psnr"] == pytest.approx(before[sample.key]["product_psnr"], abs=0.01)
        if sample.videos:
            assert {"paste", *measured} <= set(sample.videos)
    lead = metrics.transfer["pippit_gain"].value
    assert lead is not None
    assert lead < -5  # the truth beats a random model
    assert metrics.test["pippit_gain"].status == "not_measured"
    assert found["pippit"].unmeasured["test"] == "none of its 2 films is in pippit"
    assert ("transfer", "pippit") in {(one.part, one.contender.name) for one in defeats(metrics)}
    assert meanings(measured_routes(metrics))["pippit_gain"].label == "lead over pippit"

    page = (workspace.out("report") / "report.html").read_text()
    assert "lead over first frame" in page
    assert "<figcaption>two branch</figcaption>" in page
    assert "evaluate.routes.vace names no folder" in page
    assert "none of its 2 films is in pippit" in page
    assert "Pippit &lt;b&gt;1&lt;/b&gt;, terms, 2026-05-04" in page


def test_none_is_the_default_and_leaves_no_trace(evaluated_project: EvaluatedProject) -> None:
    assert evaluated_project.params.evaluate.routes.run == ()
    text = (evaluated_project.workspace.metrics / "evaluate.json").read_text()
    assert '"routes"' not in text
    params = evaluated_project.params
    hashes = "m" * 64, "d" * 64
    assert run_id(*hashes, params) == run_id(*hashes, asking(params, "points"))  # ratings are of the model's videos
    names = {contender.name for contender in others()}
    assert not names & {route.name for route in fixed_routes() if route.name != "vace"}


@pytest.mark.parametrize(
    ("run", "folders", "message"),
    [
        (["vace"], {"vace": "models/nowhere"}, "evaluate.routes.vace: .*nowhere does not exist"),
        (["first_frame"], {"first_frame": "models"}, "evaluate.routes.first_frame: .* has no model_index.json"),
        (["first_frame"], {"first_frame": "models/base"}, "is a WanPipeline, not a WanImageToVideoPipeline"),
        (["ip_adapter"], {"ip_adapter": "models/base"}, "was not trained here"),
        (["ip_adapter"], {"ip_adapter": "outs/train_stage2/model"}, "was trained with .*, not with mask_channels and"),
        (["two_branch"], {"two_branch": "models/context"}, "reads what outs/encode does not have: context"),
        (["ip_adapter"], {"ip_adapter": "models/larger"}, "the masks of outs/encode do not fit"),
        (["ip_adapter"], {"ip_adapter": "models/elsewhere"}, "differ in their vae"),
        (["external"], {}, "evaluate.routes.external names no folder"),
        (["external"], {"external": ["films/paste"]}, "the name 'paste' is taken"),
        (["external"], {"external": ["films/ground_truth"]}, "the name 'ground_truth' is taken"),
        (["external"], {"external": ["films/Vace"]}, "has the name of a route"),
        (["external"], {"external": ["films/a/kling", "films/b/kling"]}, "the name 'kling' is taken"),
    ],
)
def test_a_wrong_folder_is_one_line_before_anything_is_generated(
    project: EvaluatedProject, run: list[str], folders: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, params = project.workspace.root, project.params
    base, encode = root / "models" / "base", params.encode
    made = str(folders)
    if "context" in made:
        save_trained(root / "models" / "context", base, encode, ("context_blocks",))
    if "larger" in made:
        wider = encode.model_copy(update={"mask": encode.mask.model_copy(update={"dilation": 0.1})})
        save_trained(root / "models" / "larger", base, wider, TOKENS)
    if "elsewhere" in made:
        save_trained(root / "models" / "elsewhere", build_tiny_base(root / "other", seed=7), encode, TOKENS)
    for name in folders.get("external", ()):
        (root / name).mkdir(parents=True)
        (root / name / "sources.csv").write_text("name,source,licence,date\n*,x,y,2026-01-01\n")

    def generate(*_: object, **__: object) -> None:
        raise AssertionError("generated before it was checked")

    monkeypatch.setattr(ConditionedPipeline, "from_pretrained", generate)
    with pytest.raises(PvttError, match=message) as error:
        evaluate.run(project.workspace, asking(params, *run, **folders), InlineDispatcher())
    assert "\n" not in error.value.message
    assert error.value.hint


def test_an_unknown_route_and_one_asked_for_twice_are_errors_of_the_params(evaluated_project: EvaluatedProject) -> None:
    values = json.loads(evaluated_project.params.model_dump_json(by_alias=True))
    values["evaluate"]["routes"]["run"] = ["first_fame"]
    with pytest.raises(ParamsError, match=r"evaluate\.routes\.run\.0: .*'first_frame'.*got 'first_fame'"):
        parse_params(values)
    values["evaluate"]["routes"]["run"] = ["points", "points"]
    with pytest.raises(ParamsError, match="run has points more than once"):
        parse_params(values)


def test_a_folder_takes_the_place_of_what_a_route_is_without_one(project: EvaluatedProject) -> None:
    root, cache = project.workspace.root, ItemCache(project.workspace.root / "cache")
    save_image_to_video(root / "models" / "i2v")
    save_vace(root / "models" / "vace")
    run, folders = ("first_frame", "vace"), {"first_frame": "models/i2v", "vace": "models/vace"}
    film, vace = load_routes(root, asking(project.params, *run, **folders), [], "cpu", cache).contenders
    flow, nothing = load_routes(root, asking(project.params, *run), [], "cpu", cache).contenders
    assert ("image-to-video" in film.says, "optical flow" in flow.says) == (True, True)
    assert ("stock VACE" in vace.says, set(nothing.unmeasured)) == (True, set(PARTS))
    assert (film.sha256 is None, vace.sha256 is None, flow.sha256, nothing.sha256) == (False, False, None, None)
    assert dict(film.unmeasured) == dict(vace.unmeasured) == dict(flow.unmeasured) == {}
