"""The package's public names, and that Keras knows its classes however the two are imported."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_icnn

PACKAGE = Path(keras_icnn.__file__).parent


def registered_names():
    """What the package's files register, by the decorator in their text."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            decorators = map(ast.unparse, getattr(node, "decorator_list", ()))
            if any("register_keras_serializable" in text for text in decorators):
                found.add(f"keras_icnn>{node.name}")
    return sorted(found)


# Each statement runs in a process of its own, forked where the backend is imported (which takes the
# time), but neither Keras nor this package.
ORDERS = """
import importlib, json, os, sys
importlib.import_module(sys.argv[1])
for name in list(sys.modules):  # TensorFlow imports Keras
    if name.partition(".")[0] == "keras":
        del sys.modules[name]
statements, names = json.loads(sys.argv[2]), json.loads(sys.argv[3])
failed = []
for statement in statements:
    assert not {"keras", "keras_icnn"} & set(sys.modules)
    child = os.fork()
    if not child:
        try:
            exec(statement)
            if statement == "import keras_icnn":
                assert "keras" not in sys.modules, "imports Keras"
            import keras
            for name in names:
                assert keras.saving.get_registered_object(name) is not None, name
        except BaseException as error:
            print(f"{statement}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(statement)
print(json.dumps(failed))
"""


def run(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr[-3000:]


@pytest.mark.medium
@pytest.mark.tensorflow_only("what is registered does not depend on the backend")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_keras_knows_the_classes_in_every_order_of_imports():
    rooms = {f"import keras_icnn.{path.parent.name}" for path in PACKAGE.glob("*/__init__.py")}
    statements = [
        "import keras_icnn",
        "import keras, keras_icnn",
        "from keras_icnn import InterpretableModel",
        "from keras_icnn.layers import InterpretableConv",
        "import keras_icnn.recipes._optimizers",
        "import keras_icnn.demo",
        *sorted(rooms),
    ]
    names = registered_names()
    assert "keras_icnn>InterpretableConv" in names and len(rooms) > 10
    backend = keras.backend.backend()
    failed, told = run(ORDERS, backend, json.dumps(statements), json.dumps(names))
    assert failed == [], told


# Where the backend is TensorFlow, it imports Keras.
LOAD = """
import json, sys
import keras_icnn
assert "keras" not in sys.modules
import importlib
importlib.import_module(sys.argv[1])
import keras
print(json.dumps(type(keras.saving.load_model(sys.argv[2])).__name__))
"""


@pytest.mark.medium
def test_a_saved_model_is_loaded_where_the_package_came_first(tmp_path):
    x = keras.Input((8, 8, 3))
    maps = keras_icnn.InterpretableConv(2, 3, num_classes=2)(x)
    outputs = keras.layers.Dense(2)(keras.layers.GlobalMaxPooling2D()(maps))
    keras_icnn.InterpretableModel(x, outputs).save(tmp_path / "m.keras")
    loaded, _ = run(LOAD, keras.backend.backend(), str(tmp_path / "m.keras"))
    assert loaded == "InterpretableModel"


def test_public_names_resolve_and_are_the_type_checkers():
    assert keras_icnn.__all__ == sorted(set(keras_icnn.__all__))
    for name in keras_icnn.__all__:
        assert getattr(keras_icnn, name).__name__.rpartition(".")[2] == name
    with pytest.raises(AttributeError, match="has no attribute 'InterpretableCon'"):
        _ = keras_icnn.InterpretableCon
    assert set(keras_icnn.__all__) < set(dir(keras_icnn))


@pytest.mark.parametrize("room", ["", "recipes"])
def test_type_checkers_see_what_is_looked_up_lazily(room):
    """The imports under `if TYPE_CHECKING` are of the names in `__all__`."""
    module = getattr(keras_icnn, room) if room else keras_icnn
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    (guarded,) = (
        node.body
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    imported = {alias.name for node in guarded for alias in node.names}
    assert imported == set(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
