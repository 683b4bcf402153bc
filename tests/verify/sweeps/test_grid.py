"""The description of a sweep: axes, fixed values, keys, and every way to get it wrong."""

from __future__ import annotations

import numpy as np
import pytest

from theory import InputError
from verify.sweeps.grid import as_grid, read_grid

BASE = {"activation": "relu", "n_features": 4, "n_hidden": 2, "density": 0.1}


def test_lists_are_axes_and_cells_come_in_the_order_of_their_product():
    grid = as_grid(
        {
            **BASE,
            "density": [0.1, 0.2],
            "bias": [
                False,
                True,
            ],
            "seeds": 3,
        }
    )
    assert grid.shape == (2, 2)
    assert list(grid.axes) == ["density", "bias"]
    assert [(float(c.model.density), c.model.bias) for c in grid.cells] == [
        (0.1, False),
        (0.1, True),
        (0.2, False),
        (0.2, True),
    ]
    assert grid.cells[0].seeds == (0, 1, 2)
    assert as_grid(BASE).shape == ()
    assert len(as_grid(BASE).cells) == 1


def test_tables_group_and_the_published_recipe_is_a_base():
    grid = as_grid(
        {"model": BASE, "training": {"protocol": ["default", "published", "screened"], "steps": 30}, "seeds": [7, 2]}
    )
    ours, published, screened = (cell.protocol for cell in grid.cells)
    assert (ours.optimiser, published.optimiser) == ("adam", "adamw")
    assert ours.steps == published.steps == screened.steps == 30
    assert (ours.starts, screened.starts) == (1, 5)
    assert grid.cells[0].seeds == (7, 2)


def test_per_feature_values_are_lists_in_a_list():
    grid = as_grid({**BASE, "density": [[0.1, 0.2, 0.2, 0.3], 0.5], "importance_ratio": 0.5})
    assert [float(p) for p in grid.cells[0].model.densities] == [0.1, 0.2, 0.2, 0.3]
    assert [float(i) for i in grid.cells[1].model.importances] == [1, 0.5, 0.25, 0.125]


def test_numbers_and_sequences_of_numpy_mean_the_same():
    arrays = as_grid({**BASE, "n_features": np.int64(4), "density": np.array([0.1, 0.2]), "importance_ratio": 0.5})
    lists = as_grid({**BASE, "n_features": 4.0, "density": (0.1, 0.2), "importance_ratio": 0.5})
    assert arrays.axes == lists.axes == {"density": [0.1, 0.2]}
    assert [cell.key for cell in arrays.cells] == [cell.key for cell in lists.cells]
    assert [float(i) for i in lists.cells[0].model.importances] == [1, 0.5, 0.25, 0.125]
    assert as_grid({**BASE, "n_hidden": range(1, 4), "seeds": range(3)}).shape == (3,)


def test_inputs_are_part_of_the_description():
    grid = as_grid({**BASE, "inputs": {"inputs": ["independent", "correlated", "anticorrelated"]}})
    plain, together, apart = (cell.inputs for cell in grid.cells)
    assert plain is None
    assert (together.kind, together.sets, together.size, together.density) == ("correlated", 2, 2, 0.1)
    assert apart.kind == "anticorrelated"
    circle = as_grid({**BASE, "inputs": "circle", "scale": [0.1, 0.5]})
    assert [cell.inputs.scale for cell in circle.cells] == [0.1, 0.5]


def test_keys_tell_settings_apart():
    one = as_grid(BASE).cells[0].key
    assert one == as_grid({**BASE, "law": "uniform", "steps": 1000}).cells[0].key
    seen = {one}
    for change in (
        {"density": 0.2},
        {"bias": True},
        {"steps": 10},
        {"tied": False},
        {"seeds": 3},
        {"restarts": 0},
        {"importance_ratio": 0.5},
        {"hidden_activation": "relu"},
        {"hidden_activation": "softmax"},
        {"device": "cuda"},
        {"data": "minibatch", "inputs": "correlated"},
        {"data": "minibatch", "inputs": "anticorrelated"},
        {"law": "exponential"},
    ):
        key = as_grid({**BASE, **change}).cells[0].key
        assert key not in seen, change
        seen.add(key)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"densty": 0.1}, "did you mean 'density'"),
        ({"density": []}, "density"),
        ({"density": [0.1, 0.1]}, "twice"),
        ({"density": 2}, "density"),
        ({"density": "p"}, "density|symbols"),
        ({"activation": "rulu"}, "rulu"),
        ({"seeds": 0}, "seeds"),
        ({"seeds": [1, 1]}, "seeds"),
        ({"seeds": True}, "seeds"),
        ({"seeds": [2**31]}, "2\\^31"),
        ({"restarts": -1}, "restarts"),
        ({"steps": 0}, "steps"),
        ({"protocol": "mine"}, "protocol"),
        ({"importance": 1, "importance_ratio": 1}, "importance_ratio"),
        ({"importance_ratio": -1}, "importance_ratio"),
        ({"n_hidden": 1.5}, "n_hidden"),
        ({"model": {"density": 0.1}}, "twice"),
        ({"model": 3}, "model"),
        ({"tied": "no"}, "tied"),
        ({"inputs": "square"}, "inputs"),
        ({"inputs": "correlated", "set_size": 3}, "set_size"),
        ({"inputs": "circle", "set_size": 2}, "set_size"),
        ({"scale": 0.1}, "scale"),
        ({"inputs": "correlated", "density": [[0.1, 0.1, 0.2, 0.2]]}, "density"),
    ],
)
def test_bad_descriptions(change, message):
    with pytest.raises(InputError, match=message):
        as_grid({**BASE, **change})


@pytest.mark.parametrize("name", list(BASE))
def test_what_is_missing_is_named(name):
    with pytest.raises(InputError, match=name):
        as_grid({key: value for key, value in BASE.items() if key != name})


def test_files_are_data(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text('activation = "relu"\nn_features = 4\nn_hidden = 2\ndensity = [0.1, 0.2]\n')
    assert read_grid(path).shape == (2,)
    path.write_text("activation = \"__import__('os').system('true')\"\nn_features = 4\nn_hidden = 2\ndensity = 0.1\n")
    with pytest.raises(InputError, match="activation"):
        read_grid(path)
    path.write_text("activation = relu")
    with pytest.raises(InputError, match="not TOML"):
        read_grid(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_grid(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_grid(tmp_path / "absent.toml")
