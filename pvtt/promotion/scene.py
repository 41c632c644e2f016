"""A sample as metrics see it, made from its clip, its photos and the model's kept film."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from pvtt.files.workspace import Workspace
from pvtt.media.arrays import Rgba, Video
from pvtt.params.file import Params
from pvtt.records.parts import Part

if TYPE_CHECKING:
    from pvtt.encoding.windows import EvaluationWindow
    from pvtt.evaluation.batch import Shown
    from pvtt.evaluation.metrics.metric import Scene
    from pvtt.evaluation.samples import Chosen


class NotKeptError(Exception):
    """A metric looks at what nobody keeps."""


class _NotKept:
    """Stands for a film that is not there: whoever looks at it learns so."""

    def _refuse(self, *_: Any) -> NoReturn:
        raise NotKeptError

    __getitem__ = __len__ = __iter__ = __array__ = _refuse

    def __getattr__(self, name: str) -> NoReturn:
        raise NotKeptError


class KeptScenes:
    """Scenes of one evaluation's samples. Its networks are loaded once.

    Args:
        workspace: The project's folders.
        params: All of params.yaml.
        chosen: All samples that were to be evaluated.

    Raises:
        PvttError: A measuring network cannot be loaded.
    """

    def __init__(self, workspace: Workspace, params: Params, chosen: Sequence[Chosen]) -> None:
        from pvtt.encoding.collage import HoleShape
        from pvtt.encoding.masks import MaskShape
        from pvtt.evaluation.contenders.contender import Setting
        from pvtt.evaluation.measure import load_networks
        from pvtt.evaluation.samples import Windows

        self._workspace, self._params, self._chosen = workspace, params, chosen
        settings = params.evaluate.model_copy(update={"fvd_weights": None})  # of all films together
        self._networks = load_networks(workspace.root, settings, "cpu")
        mask, training = params.encode.mask, [one.entry for one in chosen if one.part == "train"]
        self._setting = Setting(
            sampler=_NotKept(),  # type: ignore[arg-type]
            mean_colour=Windows(workspace, params).mean_product_colour(training),
            hole=HoleShape(MaskShape.evaluation(mask).kind, mask.dilation),
        )
        self._shown: dict[Part, Shown] = {}

    def of(self, one: Chosen, window: EvaluationWindow, output: Video) -> Scene:
        """A sample's scene. Looking at what nobody keeps raises `NotKeptError`.

        Args:
            one: The sample.
            window: Its pixels.
            output: The model's film, after compositing, as it was kept.
        """
        from pvtt.evaluation.batch import Shown
        from pvtt.evaluation.metrics.metric import Scene

        if one.part not in self._shown:
            self._shown[one.part] = Shown(self._chosen, one.part, self._workspace, self._params)
        shown = self._shown[one.part]
        photos = shown.photos[one.entry.product_id]
        return Scene(
            truth=window.pixels,
            template=window.template,
            product=window.product,
            hole=window.mask,
            raw=_NotKept(),  # type: ignore[arg-type]
            output=output,
            others=self._without_networks(one, window, photos),
            product_id=one.entry.product_id,
            partner_id=None if one.partner is None else one.partner.product_id,
            template_id=one.template_product_id,
            gallery=shown.gallery,
            photos=photos,
            networks=self._networks,
            caption=one.entry.caption,
        )

    def _without_networks(self, one: Chosen, window: EvaluationWindow, photos: Sequence[Rgba]) -> dict[str, Video]:
        """The films of the contenders that need no network, put into the template."""
        from pvtt.encoding.collage import collage
        from pvtt.evaluation.contenders.contender import Task
        from pvtt.evaluation.contenders.inpaint import Inpaint
        from pvtt.evaluation.contenders.mean_fill import MeanFill
        from pvtt.evaluation.contenders.paste import Paste
        from pvtt.evaluation.videos import masked_video
        from pvtt.generation.composite import Compositor
        from pvtt.media.inpaint import inpaint

        template = masked_video(window.template, window.mask, self._params.encode.mask.fill)
        task = Task(
            key=one.entry.key,
            template=template,
            hole=window.mask,
            photos=photos,
            conditions=_NotKept(),
            partner=None,
            inpainted=inpaint(template, window.mask),
            collage=collage(window.template, window.mask, photos, self._setting.hole),
        )
        compositor = Compositor(window.template, window.mask)
        films = {one.name: one.videos([task], self._setting)[0] for one in (Inpaint(), MeanFill(), Paste())}
        return {name: compositor.put(film) for name, film in films.items() if film is not None}
