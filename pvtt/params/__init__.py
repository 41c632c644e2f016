"""The schema of `params.yaml`: every knob of an experiment, with type and range; one module a section."""
