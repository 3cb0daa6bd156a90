"""The metrics of `valley evaluate`, reimplemented from their papers in NumPy and SciPy.

Random choices follow docs/evaluating.md (Philox by seed, purpose and index; the order of images of docs/reproducibility.md), so that
results can be compared digit by digit. Images are uint8 [n, H, W, C].
"""

import numpy
from scipy.linalg import sqrtm
from scipy.ndimage import convolve, gaussian_filter

STREAM = 9
PATCHES, DIRECTIONS, PAIRS = 1, 2, 3
MASK = (1 << 64) - 1
WEIGHTS = numpy.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def philox(seed, purpose, index, block):
    """uint32 [..., 4]: Philox4x32-10 with the key `seed`, the counter (purpose << 40 + index, STREAM, block)."""
    index, block = numpy.broadcast_arrays(numpy.asarray(index, numpy.uint64), numpy.asarray(block, numpy.uint64))
    low = numpy.uint64(0xFFFFFFFF)
    shift = numpy.uint64(32)
    position = index + numpy.uint64(purpose << 40)
    c = [position & low, position >> shift, numpy.full_like(position, STREAM), block.copy()]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p, q = numpy.uint64(0xD2511F53) * c[0], numpy.uint64(0xCD9E8D57) * c[2]
        c = [q >> shift ^ c[1] ^ numpy.uint64(key[0]), q & low, p >> shift ^ c[3] ^ numpy.uint64(key[1]), p & low]
        key = [key[0] + 0x9E3779B9 & 0xFFFFFFFF, key[1] + 0xBB67AE85 & 0xFFFFFFFF]
    return numpy.stack(c, -1)


def below(word, n):
    return (word * numpy.uint64(n) >> numpy.uint64(32)).astype(int)


def mix64(x):
    x = x + 0x9E3779B97F4A7C15 & MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def order(seed, n):
    """The permutation of n images of epoch 0."""
    key = mix64(mix64(mix64(seed)))
    bits = max(4, ((n - 1).bit_length() + 1) // 2)
    mask = (1 << bits) - 1

    def image_at(index):
        while True:
            left, right = index >> bits, index & mask
            for turn in range(8):
                left, right = right, left ^ mix64(key ^ turn << 32 ^ right) & mask
            index = left << bits | right
            if index < n:
                return index
    return numpy.array([image_at(i) for i in range(n)])


KERNEL = numpy.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def halved(images):
    return convolve(images, KERNEL[None, None], mode="mirror")[..., ::2, ::2]


def doubled(images, shape):
    spread = numpy.zeros((*images.shape[:2], 2 * images.shape[2], 2 * images.shape[3]))
    spread[..., ::2, ::2] = images
    return convolve(spread, 4 * KERNEL[None, None], mode="mirror")[..., :shape[2], :shape[3]]


def laplacian_pyramid(pixels):
    levels = [pixels.transpose(0, 3, 1, 2).astype(float)]
    while levels[-1].shape[-1] > 16:
        levels.append(halved(levels[-1]))
    return [a - doubled(b, a.shape) for a, b in zip(levels, levels[1:], strict=False)] + levels[-1:]


def patches(images, seed):
    """[n * 128, C, 7, 7], standardized for each channel."""
    n, _, h, w = images.shape
    words = philox(seed, PATCHES, numpy.arange(n)[:, None], numpy.arange(64)[None]).reshape(n, 128, 2)
    y, x = below(words[..., 0], h - 6), below(words[..., 1], w - 6)
    found = numpy.stack([images[i, :, y[i, j]:y[i, j] + 7, x[i, j]:x[i, j] + 7] for i in range(n) for j in range(128)])
    found -= found.mean((0, 2, 3), keepdims=True)
    return found / found.std((0, 2, 3), keepdims=True)


def directions(seed, size):
    words = philox(seed, DIRECTIONS, numpy.arange(512)[:, None], numpy.arange((size + 3) // 4)[None]).astype(float)
    words = words.reshape(512, -1, 2)
    radius, angle = numpy.sqrt(-2 * numpy.log((words[..., 0] + 1) / 2**32)), 2 * numpy.pi * words[..., 1] / 2**32
    normal = numpy.stack([radius * numpy.cos(angle), radius * numpy.sin(angle)], -1).reshape(512, -1)[:, :size]
    return normal / numpy.linalg.norm(normal, axis=1, keepdims=True)


def sliced_wasserstein(a, b, seed):
    """The distance at each level, the largest first."""
    found = []
    for x, y in zip(laplacian_pyramid(a), laplacian_pyramid(b), strict=True):
        p, q = (patches(level, seed).reshape(len(a) * 128, -1) for level in (x, y))
        slices = directions(seed, p.shape[1]).T
        found.append(1000 * numpy.abs(numpy.sort(p @ slices, 0) - numpy.sort(q @ slices, 0)).mean())
    return found


def pairs(n, seed):
    """[10000, 2]: images of the set, both of one block of 32."""
    blocks = max(1, n // 32)
    index = numpy.arange(10000)
    size = numpy.minimum(32, n - index % blocks * 32)
    words = philox(seed, PAIRS, index, 0)
    first = (words[:, 0] * size.astype(numpy.uint64) >> numpy.uint64(32)).astype(int)
    second = (words[:, 1] * (size - 1).astype(numpy.uint64) >> numpy.uint64(32)).astype(int)
    second += second >= first
    return numpy.stack([first, second], 1) + (index % blocks * 32)[:, None]


def smooth(image):
    """The Gaussian window of 11 x 11 pixels, where it fits."""
    return gaussian_filter(image, (0, 1.5, 1.5), truncate=3.5)[:, 5:-5, 5:-5]


def ms_ssim(a, b):
    a, b = (image.transpose(2, 0, 1) / 255 for image in (a, b))
    terms = []
    while min(a.shape[1:]) >= 11 and len(terms) < 5:
        mean_a, mean_b = smooth(a), smooth(b)
        var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
        contrast = (2 * (smooth(a * b) - mean_a * mean_b) + 0.03**2) / (var_a + var_b + 0.03**2)
        luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
        terms.append((contrast.mean(), (contrast * luminance).mean()))
        h, w = (side // 2 for side in a.shape[1:])
        a, b = (image[:, :2 * h, :2 * w].reshape(-1, h, 2, w, 2).mean((2, 4)) for image in (a, b))
    weights = WEIGHTS[:len(terms)] / WEIGHTS[:len(terms)].sum()
    values = numpy.maximum(0, [*(contrast for contrast, _ in terms[:-1]), terms[-1][1]])
    return (values**weights).prod()


def pixel_features(pixels):
    x = pixels.transpose(0, 3, 1, 2) / 255
    while x.shape[-1] > 16:
        h, w = (side // 2 for side in x.shape[2:])
        x = x[..., :2 * h, :2 * w].reshape(*x.shape[:2], h, 2, w, 2).mean((3, 5))
    return x.reshape(len(x), -1)


def frechet_distance(a, b):
    root = sqrtm(numpy.cov(a, rowvar=False) @ numpy.cov(b, rowvar=False)).real
    return ((a.mean(0) - b.mean(0))**2).sum() + numpy.trace(
        numpy.cov(a, rowvar=False) + numpy.cov(b, rowvar=False) - 2 * root)
