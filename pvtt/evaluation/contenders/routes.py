"""The routes of the research plan that `evaluate.routes` asks for, made from the folders that it names.

All that can be wrong with these is found here, before anything is generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pvtt.errors import MissingInputError, PvttError
from pvtt.evaluation.contenders.contender import Network, Route
from pvtt.evaluation.contenders.external import AskedFilm, External
from pvtt.evaluation.contenders.first_frame import FirstFrame
from pvtt.evaluation.contenders.ip_adapter import CONDITIONING, IpAdapter
from pvtt.evaluation.contenders.points import Points
from pvtt.evaluation.contenders.stock import Kind, StockPipeline, StockSettings
from pvtt.evaluation.contenders.two_branch import TwoBranch
from pvtt.evaluation.contenders.vace import Vace
from pvtt.items.cache import ItemCache
from pvtt.models.contracts import Contracts
from pvtt.models.loading import ENCODER_PARTS, is_vace, read_model_index, read_transformer_config
from pvtt.models.origin import model_sha256
from pvtt.params.evaluate import RouteName
from pvtt.params.file import Params
from pvtt.params.model import ModelParams
from pvtt.records.evaluation import RouteRecord

HINT = "name a folder that is there, relative to the workspace, or null; docs/routes.md says what each must hold"
LOOKS = ("image_features", "photo_size", "text_tokens")  # how photos and captions were encoded for a model


@dataclass(frozen=True)
class Routes:
    """What was asked for, in that order.

    Args:
        contenders: The routes.
        networks: Folders of those that are sampled as the model is.
    """

    contenders: tuple[Route, ...]
    networks: dict[Network, Path]

    @property
    def hashes(self) -> dict[Network, str]:
        """Of the transformers of `networks`."""
        return {name: model_sha256(folder / "transformer") for name, folder in self.networks.items()}


def load_routes(root: Path, params: Params, asked: Sequence[AskedFilm], device: str, cache: ItemCache) -> Routes:
    """Make the routes that the params ask for.

    Args:
        root: The workspace's root, which folders are relative to.
        params: All of params.yaml.
        asked: What the samples ask of films that were made elsewhere.
        device: The device that pipelines run on.
        cache: Where finished films are kept.

    Raises:
        MissingInputError: A folder is not there.
        PvttError: A folder holds something else, or a model that does not fit `outs/encode`.
    """
    settings = params.evaluate.routes
    networks: dict[Network, Path] = {}
    for name in ("ip_adapter", "two_branch"):
        folder = _folder(root, name, getattr(settings, name))
        if name in settings.run and folder is not None:
            _require_fit(folder, name, root, params)
            networks[name] = folder  # type: ignore[index]

    def stock(name: str, kind: Kind) -> StockPipeline | None:
        folder = _folder(root, name, getattr(settings, name))
        how = StockSettings(params.evaluate.num_steps, settings.guidance, params.seed, device)
        return None if folder is None else StockPipeline(folder, kind, f"evaluate.routes.{name}", how, cache)

    def make(name: RouteName) -> Sequence[Route]:
        match name:
            case "first_frame":
                return [FirstFrame(stock("first_frame", "WanImageToVideoPipeline"))]
            case "points":
                return [Points()]
            case "two_branch":
                return [TwoBranch(_sha256(networks.get("two_branch")))]
            case "ip_adapter":
                return [IpAdapter(_sha256(networks.get("ip_adapter")))]
            case "vace":
                return [Vace(stock("vace", "WanVACEPipeline"), is_vace(root / params.model.base / "transformer"))]
            case "external":
                if not settings.external:
                    raise PvttError(
                        "evaluate.routes.run has external, and evaluate.routes.external names no folder", HINT
                    )
                return [External(root / folder, asked) for folder in settings.external]

    return Routes(tuple(route for name in settings.run for route in make(name)), networks)


def fixed_routes() -> tuple[Route, ...]:
    """All routes whose names do not depend on folders, as they are without any: what their figures may be called."""
    return FirstFrame(), Points(), TwoBranch(None), IpAdapter(None), Vace(None, base_is_one=False)


def record_of(route: Route) -> RouteRecord:
    """What is kept of a route with an evaluation's figures."""
    return RouteRecord(
        name=route.name,
        says=route.says,
        must_be_beaten=route.must_be_beaten,
        sha256=route.sha256,
        unmeasured=dict(route.unmeasured),
        faults=tuple(route.faults),
        sources=tuple(route.sources),
    )


def _folder(root: Path, name: str, value: str | None) -> Path | None:
    if value is None:
        return None
    folder = root / value
    if not (folder / "model_index.json").is_file():
        missing = "has no model_index.json: it is no pipeline" if folder.is_dir() else "does not exist"
        raise MissingInputError(f"evaluate.routes.{name}: {folder} {missing}", HINT)
    return folder


def _sha256(folder: Path | None) -> str | None:
    return None if folder is None else model_sha256(folder / "transformer")


def _require_fit(folder: Path, name: str, root: Path, params: Params) -> None:
    """Refuse a trained model that cannot be given the samples of `outs/encode`."""
    key, base, encode = f"evaluate.routes.{name}", root / params.model.base, params.encode
    conditioning = tuple(read_transformer_config(folder).get("conditioning", ()))
    if not conditioning:
        raise PvttError(f"{key}: {folder} was not trained here: it has no conditioning", HINT)
    if name == "ip_adapter" and set(conditioning) != set(CONDITIONING):
        raise PvttError(
            f"{key}: {folder} was trained with {', '.join(conditioning)}, not with {' and '.join(CONDITIONING)} alone",
            f"train one with `-S 'model.conditioning=[{','.join(CONDITIONING)}]'`",
        )
    lacking = set(ModelParams(conditioning=conditioning).encoded_extras) - set(params.model.encoded_extras)
    if lacking:
        raise PvttError(
            f"{key}: {folder} reads what outs/encode does not have: {', '.join(sorted(lacking))}",
            f"add what it was trained with to model.conditioning: {', '.join(conditioning)}",
        )
    Contracts.load(folder).require_equal(Contracts.from_params(encode), "outs/encode")
    index = read_model_index(folder)
    differing = [
        f"{look} {index.get(look)}, not {getattr(encode, look)}"
        for look in LOOKS
        if index.get(look) != getattr(encode, look)
    ]
    if differing:
        raise PvttError(
            f"{key}: {folder} was trained on other encodings: {'; '.join(differing)}", "encode as it was trained"
        )
    for part in ENCODER_PARTS:
        if model_sha256(folder / part) != model_sha256(base / part):
            raise PvttError(
                f"{key}: {folder} and {base} differ in their {part}, so one's latents are not the other's",
                "name a model of the same base",
            )
