"""The page: its fields, its buttons, and what each button does."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvtt.errors import PvttError, first_line
from pvtt.files.storage import storage_fault
from pvtt.studio import views
from pvtt.studio.form import Form, form_of, settings_of
from pvtt.studio.shelf import Shelf
from pvtt.studio.work import AdRequest, Look, Made, Report, Studio

if TYPE_CHECKING:
    import gradio as gr

SAYS = (
    "# PVTT studio\n"
    "The same ad with another product in it. All stays on this machine; films and their records go to `{out}`."
)

OPEN = "the model's"


class Page:
    """Gradio's blocks, around a studio.

    Args:
        studio: Does the work.
        shelf: The files that are shown.
    """

    def __init__(self, studio: Studio, shelf: Shelf) -> None:
        self.studio, self.shelf = studio, shelf

    def build(self) -> gr.Blocks:
        """The page. Nothing of it reaches out to the network."""
        import gradio as gr

        with gr.Blocks(title="PVTT studio", analytics_enabled=False) as blocks:
            gr.Markdown(SAYS.format(out=self.studio.out), elem_id="title")
            found = gr.State(None)  # the last `Look`

            gr.Markdown("## 1 · Film and photos", elem_classes="step")
            with gr.Row():
                template = gr.File(
                    label="Template: the film whose product is replaced", height=140, elem_id="template", min_width=280
                )
                photos = gr.File(
                    label="Photos of the new product, one to five",
                    file_count="multiple",
                    height=140,
                    elem_id="photos",
                    min_width=280,
                )
            strip = gr.HTML(elem_id="strip")
            prompt = gr.Textbox(label="The new product in words", placeholder="a gold ring", elem_id="prompt")

            gr.Markdown("## 2 · Shots and regions", elem_classes="step")
            look = gr.Button("Find shots and regions", elem_id="look")
            found_line = gr.HTML(elem_id="found")
            cards = gr.HTML(elem_id="cards")
            shots = gr.CheckboxGroup(
                [], label="Only in these shots (none: those framed above)", elem_id="shots", visible=False
            )
            with gr.Accordion("The wrong product, or the wrong place?", open=False, elem_id="wrong"):
                picture = gr.HTML(views.note("Find the shots first: then a box is drawn here."), elem_id="picture")
                place = gr.Textbox(
                    label="Where the old product is: x,y,width,height of a box, or x,y of a point, in pixels "
                    "(empty: it is looked for)",
                    elem_id=views.PLACE_FIELD,
                )
                again = gr.Button("Find again with this place", elem_id="again")

            gr.Markdown("## 3 · The new film", elem_classes="step")
            with gr.Accordion("More settings", open=False, elem_id="more"):
                with gr.Row():
                    aspect = gr.Textbox(label="Ratio", placeholder="as the template, or 9:16", elem_id="aspect")
                    label = gr.Textbox(label="Text on every frame", placeholder="such as AI generated", elem_id="label")
                    seed = gr.Textbox(label="Seed: another one, another take", placeholder="0", elem_id="seed")
                with gr.Row():
                    steps = gr.Textbox(label="Steps", placeholder=OPEN, elem_id="steps", min_width=120)
                    guidance = gr.Textbox(
                        label="Guidance by photos", placeholder=OPEN, elem_id="guidance", min_width=120
                    )
                    text = gr.Textbox(
                        label="Guidance by words", placeholder=OPEN, elem_id="text-guidance", min_width=120
                    )
                    strength = gr.Textbox(label="Strength", placeholder=OPEN, elem_id="strength", min_width=120)
                    frames = gr.Textbox(label="Frames a window", placeholder=OPEN, elem_id="frames", min_width=120)
                mask = gr.File(
                    label="Mask: a film or a picture, white where the old product is", height=110, elem_id="mask"
                )
            with gr.Row():
                preview = gr.Button("Preview", elem_id="preview")
                render = gr.Button("Render", variant="primary", elem_id="render")
                stop = gr.Button("Stop", elem_id="stop", min_width=80, scale=0)
            status = gr.HTML(elem_id="status")
            result = gr.HTML(elem_id="result")

            gr.Markdown("## Earlier ads", elem_classes="step")
            with gr.Row():
                earlier = gr.Dropdown(
                    self.studio.earlier(),
                    value=None,
                    label="In this folder",
                    elem_id="earlier",
                    filterable=False,
                    min_width=280,
                )
                record = gr.File(label="Or the .json beside an ad", height=110, elem_id="record", min_width=280)
            read = gr.Button("Read its settings back", elem_id="read")
            read_line = gr.HTML(elem_id="read-line")

            inputs = [template, photos, mask]
            fields = [prompt, shots, place, aspect, seed, steps, guidance, text, strength, frames, label]
            given = [*inputs, *fields]
            work: dict[str, Any] = {"concurrency_id": "ad", "concurrency_limit": 1, "api_visibility": "private"}
            quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

            for field in (template, photos):
                field.change(self.show_inputs, [template, photos], [strip], **quiet)
            for button in (look, again):
                button.click(
                    _with_progress(self.look),
                    given,
                    [found_line, found, cards, shots, picture],
                    show_progress_on=[found_line],
                    **work,
                )
            shots.change(self.show_place, [found, shots, place], [picture], **quiet)
            for button, is_preview in ((preview, True), (render, False)):
                button.click(
                    _with_progress(self.preview if is_preview else self.render),
                    given,
                    [status, result, earlier],
                    show_progress_on=[status],
                    trigger_mode="multiple",
                    **work,
                )
            stop.click(self.stop, None, None, **quiet)
            read.click(
                self.read_back,
                [earlier, record],
                [read_line, *inputs, *fields, result],
                show_progress="hidden",
                api_visibility="private",
            )
            blocks.load(lambda: gr.Dropdown(choices=self.studio.earlier()), None, [earlier], **quiet)
        return blocks

    def show_inputs(self, template: str | None, photos: list[str] | None) -> str:
        """What was dropped, small."""

        def show() -> tuple[str]:
            keep, url = self.studio.inputs.keep, self.shelf.url
            film = keep(Path(template)) if template else None
            return (views.strip(film, [keep(Path(photo)) for photo in photos or ()], url),)

        return str(_told(show, 1)[0])

    def show_place(self, found: Look | None, shots: Sequence[str], place: str) -> Any:
        """The frame to draw in."""
        import gradio as gr

        return gr.skip() if found is None else views.place(found, shots, place, self.shelf.url)

    def look(self, report: Report, *given: Any) -> tuple[Any, ...]:
        """What `pvtt generate --dry-run` finds."""
        import gradio as gr

        def find() -> tuple[Any, ...]:
            request = _request(given)
            look = self.studio.look(request, report)
            form = _form(given)
            choices = [str(shot.number) for shot in look.record.shots]
            chosen = [shot for shot in map(str, form.shots) if shot in choices]
            line = f"{len(choices)} shots, {look.record.num_windows} windows to make in the film"
            return (
                views.message(line, "done"),
                look,
                views.cards(look, self.shelf.url),
                gr.CheckboxGroup(choices=choices, value=chosen, visible=True),
                views.place(look, chosen, form.place, self.shelf.url),
            )

        return _told(find, 5)

    def preview(self, report: Report, *given: Any) -> tuple[Any, ...]:
        """One window a shot."""
        return self._make(report, given, preview=True)

    def render(self, report: Report, *given: Any) -> tuple[Any, ...]:
        """The film."""
        return self._make(report, given, preview=False)

    def stop(self) -> None:
        """End what is under way after its current window."""
        self.studio.stop()

    def read_back(self, earlier: str | None, record: str | None) -> tuple[Any, ...]:
        """The inputs and settings of an earlier ad, into the fields; its film, beside the template."""

        def read() -> tuple[Any, ...]:
            if not earlier and not record:
                raise PvttError("no earlier ad is chosen", "choose one of the list, or drop the .json beside an ad")
            back = self.studio.read_back(Path(record) if record else self.studio.out / Path(str(earlier)).name)
            request = back.request
            files = (request.template, [str(photo) for photo in request.photos] or None, request.mask)
            shown = "" if back.output is None else views.result(Made(back.record, back.output), self.shelf.url)
            line = views.notes(back.missing) or views.message("Its inputs and settings are in the fields.", "done")
            form = form_of(request.settings, request.label)
            named = [str(file) if isinstance(file, Path) else file for file in files]
            return (line, *named, form.prompt, self._shots(form, len(back.record.shots)), *_values(form)[2:], shown)

        return _told(read, 3 + len(_values(Form())) + 2)

    def _shots(self, form: Form, count: int) -> Any:
        import gradio as gr

        choices = [str(number) for number in range(1, count + 1)]
        return gr.CheckboxGroup(choices=choices, value=list(map(str, form.shots)), visible=True)

    def _make(self, report: Report, given: Sequence[Any], preview: bool) -> tuple[Any, ...]:
        import gradio as gr

        def make() -> tuple[Any, ...]:
            made = self.studio.make(_request(given), report, preview=preview)
            what = "the preview's sheet" if preview else "the film"
            line = views.message(f"Wrote {what} and its record, {made.output.with_suffix('.json').name}", "done")
            return line, views.result(made, self.shelf.url), gr.Dropdown(choices=self.studio.earlier())

        return _told(make, 3)


def _values(form: Form) -> tuple[Any, ...]:
    """In the order of the page's fields."""
    return astuple(form)


def _form(given: Sequence[Any]) -> Form:
    prompt, shots, *texts = given[3:]  # Gradio has None for a field that was never filled
    return Form(prompt or "", shots or (), *(text or "" for text in texts))


def _request(given: Sequence[Any]) -> AdRequest:
    """What is in the fields: three of files, then those of the form."""
    template, photos, mask = given[:3]
    form = _form(given)
    return AdRequest(
        Path(template) if template else None,
        tuple(Path(photo) for photo in photos or ()),
        Path(mask) if mask else None,
        settings_of(form),
        form.label.strip() or None,
    )


def _told(work: Callable[[], tuple[Any, ...]], num_outputs: int) -> tuple[Any, ...]:
    """What `work` returns; where it fails, the reason in the first output, and the others as they are."""
    import gradio as gr

    try:
        return work()
    except PvttError as error:
        fault = error
    except Exception as error:
        found = storage_fault(error)
        if found is None:  # one of the program: its traceback is for the terminal
            traceback.print_exc(file=sys.stderr)
            found_line = f"{type(error).__name__}: {first_line(error)}"
            fault = PvttError(found_line, "the terminal that runs the studio shows where")
        else:
            fault = found
    return (views.failure(fault), *(gr.skip() for _ in range(num_outputs - 1)))


def _with_progress(work: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """`work(report, *given)` as Gradio calls it, with its bar for the report."""
    import gradio as gr

    def run(*given: Any, progress: Any = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008  that is how Gradio knows it
        def report(line: str, done: int, total: int) -> None:
            progress((done, total) if total else 0, desc=line, unit="windows")

        return work(report, *given)

    return run
