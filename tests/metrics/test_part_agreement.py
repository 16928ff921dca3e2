"""Do groups of filters tell the landmarks apart? Against hand-computed values and known answers."""

import itertools
from pathlib import Path

import fake_data
import numpy as np
import pytest

from keras_icnn import metrics

_CUB = Path(__file__).parents[2] / ".." / "shared" / "data" / "fixtures" / "cub200_annotations"
SIZE = (100, 200)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("first", "second", "nmi", "ari"),
    [
        # H = ln 2 and 1.5 ln 2, I = ln 2. Pairs together in both: 1; by chance 2 * 1 / 6; at most
        # (2 + 1) / 2.
        ([0, 0, 1, 1], [0, 0, 1, 2], 0.8, (1 - 1 / 3) / (3 / 2 - 1 / 3)),
        (["b", "b", "a", "a"], [7, 7, 3, 3], 1.0, 1.0),
        # Independent: no pair is together in both, by chance 2 * 2 / 6 would be.
        ([0, 0, 1, 1], [0, 1, 0, 1], 0.0, (0 - 2 / 3) / (2 - 2 / 3)),
        ([0, 0, 0], [0, 1, 1], 0.0, 0.0),
        ([0, 0, 0], [1, 1, 1], 1.0, 1.0),
        ([0, 1, 2], [2, 0, 1], 1.0, 1.0),
        ([], [], np.nan, np.nan),
    ],
)
def test_two_labellings_by_hand(first, second, nmi, ari):
    for a, b in ((first, second), (second, first)):
        np.testing.assert_allclose(metrics.normalized_mutual_information(a, b), nmi, atol=1e-12)
        np.testing.assert_allclose(metrics.adjusted_rand_index(a, b), ari, atol=1e-12)


def test_two_labellings_against_all_pairs(rng):
    """ARI from its definition: agreements of all pairs, chance by permuting the labels."""
    a, b = rng.integers(3, size=7), rng.integers(3, size=7)

    def together(x, y):
        return sum(
            x[i] == x[j] and y[i] == y[j] for i, j in itertools.combinations(range(len(x)), 2)
        )

    chance = np.mean([together(a, np.array(p)) for p in itertools.permutations(b)])
    highest = (together(a, a) + together(b, b)) / 2
    expected = (together(a, b) - chance) / (highest - chance)
    assert metrics.adjusted_rand_index(a, b) == pytest.approx(expected)


def test_two_labellings_as_scikit_learn_has_them(rng):
    cluster = pytest.importorskip("sklearn.metrics.cluster")
    for n, k in ((5, 2), (200, 6)):
        a, b = rng.integers(k, size=n), rng.integers(k + 3, size=n)
        assert metrics.normalized_mutual_information(a, b) == pytest.approx(
            cluster.normalized_mutual_info_score(a, b)
        )
        assert metrics.adjusted_rand_index(a, b) == pytest.approx(cluster.adjusted_rand_score(a, b))


def test_agreement_by_hand():
    landmarks = np.array([[[10, 10], [190, 10], [10, 90]], [[90, 20], [150, 40], [np.nan, 0]]])
    # The first landmark is always part 1, the second part 0 or none, the third part 0.
    result = metrics.part_agreement(
        np.array([[1, 0, 0], [1, -1, 9]]), landmarks, parts=2, image_size=SIZE
    )
    assert result.table.tolist() == [[0, 1, 1], [2, 0, 0], [0, 1, 0]]
    assert result.covered == 4 / 5
    # [1, 0, 0, 1] beside [0, 1, 2, 0]: the hand-computed case above.
    assert result.foreground_nmi == pytest.approx(0.8)
    assert result.foreground_ari == pytest.approx(4 / 7)
    # Part counts 2, 2, 1; landmark counts 2, 2, 1; joint 2, 1, 1, 1.
    single, joint = (_entropy(counts) for counts in ((2, 2, 1), (2, 1, 1, 1)))
    assert result.nmi == pytest.approx(2 * (2 * single - joint) / (2 * single))
    assert result.ari == pytest.approx((1 - 2 * 2 / 10) / (2 - 2 * 2 / 10))
    assert result.trivial["perfect labels"] == (1.0, 1.0)
    # Two cells, left and right of x = 99.5: only the two on the right are told from the others.
    assert result.trivial["grid of cells"][0] == pytest.approx(
        2 * (_entropy((3, 2)) + single - _entropy((2, 1, 2))) / (_entropy((3, 2)) + single)
    )
    text = result.summary(["head", "back", "tail"])
    assert "4 of" not in text and "80.0%" in text and "perfect labels" in text


def _entropy(counts):
    p = np.array(counts) / sum(counts)
    return float(-(p * np.log(p)).sum())


def test_a_grid_of_cells_numbers_rows_and_columns():
    """2 rows of 4 columns; a landmark in the middle of each cell is told exactly by its place."""
    centers = [(25 + 50 * (k % 4), 25 + 50 * (k // 4)) for k in range(8)]
    landmarks = np.repeat(np.array(centers, float)[None], 5, axis=0)
    where = np.zeros((5, 8), int)
    result = metrics.part_agreement(where, landmarks, parts=8, image_size=SIZE)
    assert result.trivial["grid of cells"] == (1.0, 1.0)
    assert (result.nmi, result.ari) == (0.0, 0.0)
    larger = metrics.part_agreement(where, landmarks * 2, parts=8, image_size=[[200, 400]] * 5)
    assert larger.trivial["grid of cells"] == (1.0, 1.0)


def test_filters_of_one_place_are_a_group(rng):
    places = rng.uniform(10, 90, (30, 3, 2))
    which = np.array([0, 1, 2, 0, 0, 1, 0, 2, 1])
    peaks = places[:, which] + rng.normal(size=(30, 9, 2))
    strengths = np.ones((30, 10))
    strengths[:16, 9] = 0  # fires on fewer than half
    peaks = np.concatenate([peaks, peaks[:, :1]], axis=1)
    for seed in range(3):
        groups = metrics.group_filters(peaks, strengths, parts=3, image_size=SIZE, seed=seed)
        assert groups == [(0, 3, 4, 6), (1, 5, 8), (2, 7)]
    labels = np.repeat([0, 1], [16, 14])  # but it fires on all of a category
    groups = metrics.group_filters(peaks, strengths, parts=3, image_size=SIZE, labels=labels)
    assert sorted(f for group in groups for f in group) == list(range(10))
    with pytest.raises(ValueError, match=r"at most the number of filters .* 9"):
        metrics.group_filters(peaks, strengths, parts=10, image_size=SIZE)


class _Squares(fake_data.FakeDataset):
    """Squares of three colors at places of their own, a landmark in each; one filter a color."""

    def __init__(self, n, seed):
        super().__init__(n, classes=("negative", "beast"), parts=False, seed=seed)
        rng = np.random.default_rng(seed)
        self.landmark_names = ["red", "green", "blue"]
        self.landmarks = np.full((n, 3, 2), np.nan)
        height, width = fake_data.SIZE
        cells = [(x, y) for x in (6, 20, 33) for y in (7, 24)]
        for i in np.flatnonzero(self.labels):
            for k, cell in enumerate(rng.permutation(len(cells))[:3]):
                x, y = np.add(cells[cell], rng.integers(-2, 3, 2))
                self.images[i, max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5, k] = 255
                self.landmarks[i, k] = x, y
        assert np.nanmax(self.landmarks) < max(height, width)


@pytest.fixture(scope="module")
def squares():
    return _Squares(60, 0), _Squares(60, 1)


def test_a_network_that_has_a_filter_for_each_landmark(squares):
    result = metrics.evaluate_part_agreement(fake_data.network(), *squares, parts=3, batch_size=7)
    assert sorted(result.groups) == [(0,), (1,), (2,)]
    assert result.table.sum() == 90 and result.covered > 0.95
    assert result.foreground_nmi > 0.95 and result.foreground_ari > 0.95
    # The squares' places say nothing of which they are.
    assert result.trivial["grid of cells"][1] < 0.1 and result.trivial["random labels"][1] < 0.1


def test_landmarks_that_change_places_are_not_told_apart(squares, rng):
    train, test = squares[0], _Squares(60, 1)
    test.landmarks = np.take_along_axis(
        squares[1].landmarks, rng.permuted([[0, 1, 2]] * 60, axis=1)[..., None], axis=1
    )
    result = metrics.evaluate_part_agreement(fake_data.network(), train, test, parts=3)
    assert abs(result.ari) < 0.1


def _cub_landmarks():
    if not _CUB.is_dir():
        pytest.skip("CUB-200-2011's text files are not at ../shared/data/fixtures")
    locations = np.loadtxt(_CUB / "parts" / "part_locs.txt").reshape(-1, 15, 5)[::20]
    boxes = np.loadtxt(_CUB / "bounding_boxes.txt")[::20, 1:]
    landmarks = (locations[..., 2:4] - boxes[:, None, :2]).astype("float64")
    landmarks[locations[..., 4] == 0] = np.nan
    return landmarks, boxes[:, [3, 2]]


# Of the 15 points of CUB-200-2011, which belong together.
_GROUPS = np.array([0, 1, 2, 2, 1, 1, 1, 3, 4, 1, 1, 3, 4, 5, 2])


def _generated_birds():
    """400 birds that look left or right: each group of points around a place of its own."""
    rng = np.random.default_rng(0)
    places = np.array([[0.5, 0.3], [0.2, 0.2], [0.35, 0.6], [0.5, 0.8], [0.6, 0.5], [0.85, 0.6]])
    points = places[_GROUPS] + rng.normal(0, 0.06, (400, 15, 2))
    points[::2, :, 0] = 1 - points[::2, :, 0]
    sizes = rng.integers(100, 300, (400, 2)).astype("float64")
    landmarks = points * sizes[:, None, ::-1]
    landmarks[rng.uniform(size=(400, 15)) < 0.2] = np.nan
    return landmarks, sizes


@pytest.mark.parametrize("birds", [_generated_birds, _cub_landmarks])
def test_points_of_birds_and_what_a_grid_tells(birds):
    """All 15 points of CUB-200-2011: a perfect labeling is 1, a grid far from it, chance 0."""
    landmarks, sizes = birds()
    parts_at = np.broadcast_to(_GROUPS, landmarks.shape[:2])
    result = metrics.part_agreement(parts_at, landmarks, parts=6, image_size=sizes)
    assert result.table.sum() == np.isfinite(landmarks[..., 0]).sum()
    # Which point it is tells the group: I = H(groups), from the counts alone.
    counts = np.isfinite(landmarks[..., 0]).sum(axis=0)
    groups = _entropy(np.bincount(_GROUPS, counts))
    assert result.nmi == pytest.approx(2 * groups / (groups + _entropy(counts)))
    # Points that belong together share a part: between the grid and perfect labels.
    assert result.trivial["perfect labels"] == (1.0, 1.0)
    assert result.trivial["grid of cells"][0] < result.nmi < 1
    assert result.trivial["grid of cells"][1] < result.ari < 1
    assert abs(result.trivial["random labels"][1]) < 0.01


def test_errors(squares):
    landmarks = np.zeros((2, 3, 2))
    at = np.zeros((2, 3), int)
    with pytest.raises(ValueError, match="at least 3 landmarks"):
        metrics.part_agreement(at[:, :2], landmarks[:, :2], parts=2, image_size=SIZE)
    with pytest.raises(ValueError, match=r"must lie from -1 .* to 1"):
        metrics.part_agreement(at + 2, landmarks, parts=2, image_size=SIZE)
    with pytest.raises(ValueError, match="integers of the shape"):
        metrics.part_agreement(at[:1], landmarks, parts=2, image_size=SIZE)
    with pytest.raises(ValueError, match="whole number of at least 2"):
        metrics.part_agreement(at, landmarks, parts=1, image_size=SIZE)
    with pytest.raises(ValueError, match="of the same things"):
        metrics.adjusted_rand_index([1, 2], [1])
    two = fake_data.FakeDataset(4)
    with pytest.raises(ValueError, match="at least 3 landmarks"):
        metrics.evaluate_part_agreement(fake_data.network(), two, two)
    with pytest.raises(ValueError, match=r"at most the number of filters .* 3"):
        metrics.evaluate_part_agreement(fake_data.network(), *squares, parts=4)
