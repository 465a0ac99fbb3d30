"""A simplified mouse brain, drawn from ellipses and tables.

The outlines follow the sizes of sections in the frame of the Allen atlas; no measured data is stored. Later
organs and nuclei are painted over earlier ones.
"""

import torch
from torch import Tensor

from trainables.slices.volumes.drawing import Slab, band, edge, layers, table

# Outlines of half a section in mm along y (0 back, 528 front); `erode` rounds the poles.
CEREBRUM = table("""
    y       105  120  150  180  205  235  260  290  320  340  365  390  410  430  442
    centre  1.5  1.5  1.5  1.5  1.5  1.6  1.6  1.6  1.5  1.5  1.4  1.3  1.2  1.1  1.0
    outer   4.8  4.8  5.0  5.4  5.4  5.4  5.4  5.1  4.8  4.5  4.2  3.5  3.0  2.4  2.2
    top     6.9  6.9  7.2  7.6  7.7  7.8  7.6  7.4  7.1  7.0  6.8  6.5  6.3  6.0  5.9
    middle  4.2  4.1  3.9  3.6  3.5  3.4  3.3  3.4  3.5  3.6  3.9  4.4  4.8  5.0  5.0
    bottom  2.0  1.9  1.6  0.6  0.3  0.1  0.1  0.2  0.4  0.4  0.8  1.6  3.6  4.3  4.4
    base    1.6  1.6  1.4  1.0  0.7  0.6  0.5  0.5  0.5  0.6  0.7  0.8  1.0  1.0  1.0
    erode   2.5  0.9  0.0  0.0  0.0  0.0  0.0  0.0  0.0  0.0  0.0  0.0  0.0  0.3  1.5
""")
BRAINSTEM = table("""
    y       5    20   40   70   100  116  125  150  165  175  195  205  225  245
    centre  0.8  0.8  0.9  0.9  1.0  1.0  1.0  1.0  1.0  0.9  0.9  0.9  0.9  0.9
    outer   1.7  2.0  2.4  2.7  2.7  2.6  2.5  2.5  2.5  2.6  2.7  2.7  2.4  2.0
    top     2.9  2.9  3.0  3.2  3.5  5.0  6.5  6.6  6.5  6.4  5.6  5.4  5.0  4.6
    middle  1.8  1.8  1.9  2.0  2.1  2.6  2.9  3.6  3.6  3.5  3.4  3.4  3.4  3.4
    bottom  0.7  0.6  0.5  0.5  0.6  0.6  0.7  0.8  1.0  1.1  1.4  1.6  1.9  2.0
    erode   2.0  0.2  0.0  0.0  0.0  0.0  0.0  0.0  0.0  0.0  0.0  0.0  0.5  2.0
    gap     1.2  1.2  1.2  1.2  1.2  0.9  0.6  0.2  0.2  0.1  0.1  0.0  0.0  0.0
    tectum  -.5  -.5  -.5  -.5  -.5  -.1  0.1  0.1  0.1  0.1  0.1  -.1  -.5  -.5
""")
# The hippocampus, under the white matter: the angle of its middle, and half the angle that it spans.
HIPPOCAMPUS = table("""
    y       130  145  160  180  190  205  215  230  240  255  265  280
    middle  1.35 1.35 1.30 1.25 1.20 0.95 0.80 0.55 0.40 0.25 0.15 0.00
    span    0.40 0.70 0.95 1.15 1.20 1.15 1.05 0.90 0.80 0.65 0.50 0.10
""")
# The corpus callosum and its lateral continuation, between two angles.
WHITE_MATTER = table("""
    y       130  180  190  205  250  330  345  360  365  385  400
    from    0.9  0.6  0.5  -.9  -.9  -.9  -.9  0.1  0.3  0.5  0.6
    to      1.2  1.7  1.8  1.9  2.2  2.0  1.6  1.2  1.1  0.7  0.0
""")
MIDLINE = table("""
    y       110  185  200  205  230  340  345  362  375  400  430
    floor   0.0  3.0  5.3  6.3  6.2  5.6  5.5  3.0  0.0  0.0  0.0
    width   .30  .12  .09  .08  .05  .05  .05  .07  .09  .12  .30
""")
VENTRICLE = table("""
    y       245  255  280  300  310  345  355
    floor   4.9  4.7  4.2  3.6  3.7  4.2  4.5
    width   -.1  .05  .17  .12  .10  .03  -.1
""")

# Cell density by depth in mm.
CORTEX = table("""
    depth  0.0  .10  .16  .40  .50  .62  .70  .85  .95  1.1
    cells  .20  .28  .75  .62  .85  .80  .50  .58  .74  .66
""")
TECTUM = table("""
    depth  0.0  .10  .35  .45  .60  .70  .90  1.3
    cells  .45  .75  .70  .35  .40  .70  .55  .50
""")
FOLIUM = table("""
    depth  0.0  .17  .20  .32  .36
    cells  .30  .30  1.0  .90  .15
""")
BULB = table("""
    depth  0.0  .14  .18  .36  .39  .44  .48  .55  .68  .75
    cells  .65  .70  .30  .30  1.0  .95  .60  .85  .80  .40
""")

# Centre x y z, radii x y z, cells, fibres; y in voxels of 25 µm, x and z in mm.
FOREBRAIN_NUCLEI = table("""
    septum                0.30 312 3.90  0.55 32 1.50  .45 .2
    accumbens             1.40 335 2.00  0.70 30 0.80  .68 .1
    pallidum              2.30 285 3.10  0.50 28 0.90  .35 .5
    commissure_limb       1.05 355 2.75  0.24 52 0.20  .05 1.
    commissure            0.00 305 2.85  1.20  6 0.16  .05 1.
""")
DIENCEPHALON_NUCLEI = table("""
    habenula              0.32 245 4.95  0.28 20 0.25  .95 .1
    ventromedial          0.50 250 1.55  0.38 18 0.40  .85 .1
    paraventricular       0.30 275 1.70  0.25 12 0.50  .75 .1
    amygdala_capsule      3.45 250 2.00  0.62 42 0.95  .35 .5
    amygdala              3.40 250 1.95  0.50 38 0.80  .72 .1
    mammillothalamic      0.50 240 2.50  0.13 35 0.13  .10 .9
    fornix                0.70 270 2.20  0.16 25 0.16  .10 .9
    optic_tract           1.70 255 1.25  0.75 22 0.14  .05 1.
    optic_chiasm          0.00 290 1.00  0.90  9 0.20  .05 1.
    fimbria               1.20 272 4.85  0.80 14 0.25  .10 1.
""")
BRAINSTEM_NUCLEI = table("""
    periaqueductal_grey   0.00 165 4.00  0.75 38 0.75  .70 .05
    inferior_colliculus   1.30 132 5.40  0.85 14 0.80  .72 .1
    red_nucleus           0.70 185 3.00  0.35 12 0.35  .70 .1
    substantia_nigra      1.40 190 2.10  0.80 20 0.22  .85 .1
    cerebral_peduncle     1.50 192 1.65  0.70 28 0.20  .05 1.
    pontine_nuclei        0.50 148 1.25  0.85 16 0.35  .90 .1
    pyramid               0.35  75 0.75  0.35 65 0.16  .05 1.
    facial_nucleus        1.40  85 1.15  0.45 12 0.35  .85 .1
    olive                 0.50  45 1.00  0.40 18 0.25  .85 .1
    hypoglossal_nucleus   0.35  50 2.50  0.30 20 0.22  .80 .1
    spinal_tract          2.25  70 1.80  0.25 60 0.75  .20 .9
    middle_peduncle       1.90 115 3.00  0.45 20 0.60  .20 .9
""")
CEREBELLAR_NUCLEI = table("""
    fastigial             0.60  78 4.15  0.35 14 0.30  .60 .4
    interposed            1.50  78 4.15  0.35 14 0.30  .60 .4
    dentate               2.40  78 4.15  0.35 14 0.30  .60 .4
""")


def draw(slab: Slab) -> None:
    """Draws the part of the brain that lies in the slab."""
    if slab.within(100, 450):
        _cerebrum(slab)
    if slab.within(0, 240):
        _brainstem(slab)
    if slab.within(0, 130):
        _cerebellum(slab)
    if slab.within(375, 490):
        _bulb(slab)


def _patches(slab: Slab, mean: float) -> Tensor:
    """Patches of cell density around `mean`, like those of many small nuclei."""
    return mean + 0.12 * torch.sin(4 * slab.x + 2 * slab.coarse) * torch.sin(3.5 * slab.z + 2 * slab.coarse)


def _cerebrum(slab: Slab) -> None:
    depth, angle = slab.dome(CEREBRUM, waist=0.55)
    depth += 0.05 * slab.coarse - slab.along(CEREBRUM, "erode")
    base = slab.z - slab.along(CEREBRUM, "base") - 0.45 + 0.25 * (slab.x - 0.5).clamp(0, 2.4)
    apart = (1 - (depth - base).abs() / 0.7).clamp(min=0)  # rounds the corner between dome and base
    slab.tissue = edge(torch.minimum(depth, base) - 0.17 * apart.square())
    slab.paint(slab.tissue, 0.56, 0.15)
    inside = edge(depth - 1.2)
    slab.paint((1 - inside) * edge(2.35 - angle, 0.3), layers(depth, CORTEX), 0.1)
    if slab.within(240, 370):
        _striatum(slab, depth, inside)
    if slab.within(185, 300):
        _diencephalon(slab)
    if slab.within(120, 285):
        _hippocampus(slab, depth, angle)
    spans = edge(slab.along(WHITE_MATTER, "to") - angle, 0.3) * edge(
        angle - slab.along(WHITE_MATTER, "from"), 0.2
    )
    slab.paint(spans * edge(0.1 + 0.05 * angle.cos() - (depth - 1.16).abs()), 0.12, 1.0)
    # The fissure between the hemispheres widens towards the surface; below it lies the third ventricle.
    opening = slab.along(MIDLINE, "width") + 0.12 * (0.5 - depth).clamp(min=0)
    slab.clear(edge(torch.minimum(opening - slab.x, slab.z - slab.along(MIDLINE, "floor"))))
    slab.hole(0.0, 255, 2.0, 0.1, 40, 1.0)
    slab.hole(0.0, 258, 5.15, 0.33, 30, 0.3)


def _striatum(slab: Slab, depth: Tensor, inside: Tensor) -> None:
    bundles = edge(slab.blob(2.2, 300, 3.9, 1.6, 70, 2.0), 0.4) * edge(slab.fine - 1.0, 0.5)
    slab.paint(inside * bundles, 0.2, 0.8)
    slab.nuclei(FOREBRAIN_NUCLEI)
    # The lateral ventricle: a curved slit between septum and striatum, below the corpus callosum.
    bend = slab.x - 0.85 - 0.12 * (slab.z - 4.5).square()
    slit = torch.minimum(depth - 1.25, slab.z - slab.along(VENTRICLE, "floor"))
    slab.clear(edge(torch.minimum(slit, slab.along(VENTRICLE, "width") - bend.abs())))


def _diencephalon(slab: Slab) -> None:
    thalamus = slab.blob(0.0, 240, 3.85, 2.45, 52, 1.4)
    slab.paint(band(thalamus, -0.2, 0.0) * edge(slab.x - 1.1, 0.5), 0.15, 0.9)  # the internal capsule
    slab.paint(edge(thalamus), _patches(slab, 0.58), 0.22)
    slab.nuclei(DIENCEPHALON_NUCLEI)


def _hippocampus(slab: Slab, depth: Tensor, angle: Tensor) -> None:
    """A curl under the white matter that moves outwards and down towards the back."""
    across = (angle - slab.along(HIPPOCAMPUS, "middle")) / slab.along(HIPPOCAMPUS, "span")
    inwards = (depth - 1.93) / 0.68
    radius = (across.square() + inwards.square()).sqrt()
    slab.paint(edge(1 - radius, 0.1), 0.33, 0.12)
    horn = band(radius, 0.56, 0.68) * edge(-0.35 - inwards - 0.75 * across, 0.1).neg().add(1)
    slab.paint(horn, 1.0, 0.0)
    dentate = (((across + 0.18) / 0.52).square() + ((inwards - 0.22) / 0.36).square()).sqrt()
    slab.paint(band(dentate, 0.68, 1.0) * edge(0.55 - across, 0.1), 1.0, 0.0)


def _brainstem(slab: Slab) -> None:
    depth, angle = slab.dome(BRAINSTEM, waist=0.4)
    depth += 0.05 * slab.coarse - slab.along(BRAINSTEM, "erode")
    inside = slab.add(depth, slab.along(BRAINSTEM, "gap"))
    slab.paint(inside, _patches(slab, 0.5), 0.3)
    tectum = inside * edge(1.3 - angle, 0.3) * edge(slab.along(BRAINSTEM, "tectum"), 0.1)
    slab.paint(tectum * edge(1.2 - depth, 0.4), layers(depth, TECTUM), 0.2)
    slab.nuclei(BRAINSTEM_NUCLEI)
    slab.hole(0.0, 160, 4.1, 0.16, 40, 0.22)  # the aqueduct


def _cerebellum(slab: Slab) -> None:
    """Folded layers: their depth is measured from the surface or from the nearest fissure."""
    depth = torch.maximum(slab.blob(0.0, 74, 4.9, 4.6, 52, 2.15), slab.blob(3.4, 82, 3.0, 1.3, 26, 1.0))
    depth -= 0.25 * (1 - ((slab.x - 1.35) / 0.25).abs()).clamp(min=0)  # the groove beside the vermis
    depth = torch.minimum(depth, slab.z - 3.35 + 0.5 * (slab.x - 1.2).clamp(0, 3))
    fan = torch.atan2(slab.z - 4.3, slab.y - 1.85)
    phase = 1.6 * fan + 0.35 * slab.z + 0.45 * (slab.x - 1.3).abs() + 0.12 * slab.coarse
    fissure = (phase - phase.round()).abs() * 0.9
    core = 0.8 - ((slab.z - 4.3).square() + (slab.y - 1.85).square()).sqrt()
    fold = torch.minimum(depth, fissure + 0.9 * (depth - 1.0).clamp(min=0) + core.clamp(min=0))
    inside = slab.add(depth, 0.12)
    slab.clear(edge(0.03 - fissure) * inside * edge(0.7 - depth))
    slab.paint(inside, layers(fold, FOLIUM), 0.1)
    slab.paint(inside * edge(fold - 0.35), 0.15, 0.9)
    slab.nuclei(CEREBELLAR_NUCLEI)
    slab.hole(0.0, 80, 3.4, 1.5, 36, 0.22)  # the fourth ventricle


def _bulb(slab: Slab) -> None:
    begins = edge(slab.y - 9.5, 0.2)
    depth = slab.blob(0.98, 430, 3.05, 0.88, 56, 1.5) + 0.04 * slab.coarse - 0.3 * (1 - begins)
    inside = slab.add(depth, 0.1 * begins)
    slab.paint(inside, layers(depth, BULB), 0.1)
    slab.paint(inside * edge(depth - 0.7, 0.15), 0.35, 0.6)
