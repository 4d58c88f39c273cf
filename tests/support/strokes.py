"""The ten digits as strokes, drawn off the centre and in several sizes, as people do."""

import math

import numpy as np


def ring(x, y, width, height, start, end):
    """Part of an ellipse in a square of side 1, angles in degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, 14))
    return [
        (x + width * math.cos(angle), y + height * math.sin(angle)) for angle in angles.tolist()
    ]


STROKES = {
    0: [ring(0.45, 0.5, 0.2, 0.3, -90, 270)],
    1: [[(0.55, 0.2), (0.52, 0.85)]],
    2: [[*ring(0.5, 0.35, 0.18, 0.16, -170, 40), (0.34, 0.78), (0.72, 0.78)]],
    3: [[*ring(0.5, 0.34, 0.17, 0.16, -150, 80), *ring(0.5, 0.66, 0.19, 0.17, -80, 150)]],
    4: [[(0.36, 0.2), (0.33, 0.5), (0.68, 0.49)], [(0.64, 0.22), (0.6, 0.82)]],
    5: [[(0.66, 0.2), (0.4, 0.2), (0.38, 0.45), *ring(0.48, 0.6, 0.19, 0.18, -110, 140)]],
    6: [[(0.58, 0.18), (0.44, 0.34), (0.37, 0.55), *ring(0.51, 0.64, 0.15, 0.15, 180, 530)]],
    7: [[(0.3, 0.24), (0.68, 0.24), (0.56, 0.52), (0.46, 0.8)]],
    8: [[*ring(0.5, 0.35, 0.15, 0.15, -60, -270), *ring(0.5, 0.66, 0.17, 0.16, -90, 270),
         *ring(0.5, 0.35, 0.15, 0.15, 90, -60)]],
    9: [[*ring(0.5, 0.36, 0.16, 0.15, 0, -360), (0.65, 0.55), (0.6, 0.8)]],
}  # fmt: skip
