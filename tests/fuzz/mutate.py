"""Seeded mutations of files, as broken disks, broken copies and editors make them."""

import random
from collections.abc import Callable, Iterator


def flipped(data: bytearray, rng: random.Random) -> None:
    """Up to eight bits are other ones."""
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def replaced(data: bytearray, rng: random.Random) -> None:
    """A few bytes are others, digits and brackets among them."""
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.choice(b'0123456789-+.eE"{}[]:,&*<>!|# \n\t\0\xff')


def truncated(data: bytearray, rng: random.Random) -> None:
    """The end is missing."""
    del data[rng.randrange(len(data)) :]


def cut(data: bytearray, rng: random.Random) -> None:
    """A block is missing."""
    start, size = block(data, rng)
    del data[start : start + size]


def inserted(data: bytearray, rng: random.Random) -> None:
    """A few foreign bytes are in between."""
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.randint(1, 64))


def duplicated(data: bytearray, rng: random.Random) -> None:
    """A block is there twice, the second time elsewhere."""
    start, size = block(data, rng)
    at = rng.randrange(len(data) + 1)
    data[at:at] = data[start : start + size]


def zeroed(data: bytearray, rng: random.Random) -> None:
    """A block is all zeros, as a power cut leaves it."""
    start, size = block(data, rng)
    data[start : start + size] = bytes(size)


def lines_swapped(data: bytearray, rng: random.Random) -> None:
    """Two lines are in each other's place."""
    lines = bytes(data).splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    data[:] = b"".join(lines)


def line_dropped(data: bytearray, rng: random.Random) -> None:
    """A line is missing."""
    lines = bytes(data).splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    data[:] = b"".join(lines)


def appended(data: bytearray, rng: random.Random) -> None:
    """Something follows the end."""
    data += rng.choice([rng.randbytes(rng.randint(1, 200)), b"\0" * 100, b"text\n", bytes(data)])


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(flipped, flipped, replaced, truncated, cut, inserted),
    *(duplicated, zeroed, lines_swapped, line_dropped, appended),
)


def block(data: bytearray, rng: random.Random) -> tuple[int, int]:
    """Start and size of a block, most of them small."""
    size = rng.randint(1, max(1, len(data) // rng.choice([2, 8, 64])))
    return rng.randrange(len(data)), min(size, 4096)


def mutations(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` mutations of the content of a file: one change each, or two or three."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        changed = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 3])):
            if changed:
                rng.choice(MUTATIONS)(changed, rng)
        yield bytes(changed)
