"""ICC profiles of spaces with three primaries and a power curve, and colours in them."""

from __future__ import annotations

import struct

import numpy as np

Space = tuple[tuple[tuple[float, float], ...], float]

WHITE = (0.3127, 0.3290)  # D65
SRGB: Space = (((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), 0.0)  # 0: sRGB's own curve
ADOBE_RGB: Space = (((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 2.19921875)
DISPLAY_P3: Space = (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), 0.0)


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    columns = np.stack([_xyz(*primary) for primary in primaries], axis=1)
    return columns * np.linalg.solve(columns, _xyz(*WHITE))


def encoded(srgb: np.ndarray, space: Space) -> np.ndarray:
    """Colours of sRGB, (N, 3) in 0 to 255, as numbers of another space; uint8."""
    primaries, gamma = space
    value = np.asarray(srgb) / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    there = np.clip(light @ _to_xyz(SRGB[0]).T @ np.linalg.inv(_to_xyz(primaries)).T, 0, 1)
    if gamma:
        stored = there ** (1 / gamma)
    else:
        stored = np.where(there <= 0.0031308, there * 12.92, 1.055 * there ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(stored * 255), np.uint8)


def matrix_profile(primaries: tuple[tuple[float, float], ...], gamma: float) -> bytes:
    """A display's profile, version 2, of three primaries under D65 and one curve."""
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d50 = np.array([0.9642, 1.0, 0.8249])
    gain = np.diag((bradford @ d50) / (bradford @ _xyz(*WHITE)))
    columns = (np.linalg.inv(bradford) @ gain @ bradford @ _to_xyz(primaries)).T

    def fixed(values: np.ndarray) -> bytes:
        return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)

    if gamma:
        curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    else:
        steps = np.linspace(0, 1, 1024)
        light = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
        curve = b"curv\0\0\0\0" + struct.pack(">I", 1024) + np.round(light * 65535).astype(">u2").tobytes()
    text = b"a space of a test\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0" + text,
        b"wtpt": b"XYZ \0\0\0\0" + fixed(d50),
        **{name: b"XYZ \0\0\0\0" + fixed(c) for name, c in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    header = struct.pack(">I", start + len(body)) + b"test" + struct.pack(">I", 0x02400000) + b"mntrRGB XYZ "
    header += bytes(12) + b"acsp" + bytes(28) + fixed(d50)
    return header + bytes(128 - len(header)) + table + body
