"""Every public name in use, for a type checker. It is never run: pyright reads it (`run_all.py`).

A line is wrong when a name is missing, an argument has another name or type, or a result is not of
the type that its variable states. `test_public_surface.py` checks that no public name is left out.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure

import keras_icnn as icnn
from keras_icnn import (
    bench,
    callbacks,
    datasets,
    demo,
    explanations,
    export,
    layers,
    metrics,
    models,
    recipes,
    visualize,
    zoo,
)


def use_root(
    network: keras.Model, inputs: keras.KerasTensor, x: np.ndarray, y: np.ndarray
) -> list[Any]:
    conv: layers.InterpretableConv = icnn.InterpretableConv(
        8, 3, num_classes=2, background_class=0, filter_loss="paper", mask=True, padding="same"
    )
    added: layers.InterpretableFilters = icnn.InterpretableFilters(
        num_classes=2, filter_loss="official"
    )
    loss: layers.FilterLoss = layers.FilterLoss()
    templates: layers.PartTemplates = icnn.PartTemplates(norm="l1")
    fixed: keras.layers.BatchNormalization = layers.FixedBatchNormalization(name="fixed")
    fixed.build((None, 4))
    model: models.InterpretableModel = icnn.InterpretableModel(inputs, conv(inputs), name="mine")
    converted: models.InterpretableModel = icnn.make_interpretable(
        network, num_classes=6, layers=None, extra_layer=True
    )
    same: models.InterpretableModel = models.make_interpretable(network, num_classes=6)
    masked: keras.Model = models.without_masks(model)
    with icnn.labels(y) as terms, layers.labels(y):
        total = terms.total()
    categories: np.ndarray = conv.target_categories()
    state: layers.LayerState = added.state
    added.adapt(x, y)
    conv.adapt(x, y, share=0.2, seed=0)
    icnn.adapt_parts(converted, x, y, parts=8, seed=0)
    models.adapt_parts(converted, x, y)
    rule: icnn.FilterLoss | None = conv.filter_loss
    numbers: list[np.ndarray] = [categories, state.log_z, conv.state.log_z, conv.parts().part]
    numbers.append(added.filter_diagnostics(x)["spatial_entropy"])
    bank: np.ndarray = templates.for_maps(6, 6).bank()
    explanation: explanations.Explanation = icnn.explain(model, x, target=None, from_logits=True)
    explanation: explanations.Explanation = icnn.explain(model, x, target=None)
    named: dict[str, str] = icnn.name_parts(model, {"tiger/0": "head"})
    models.name_parts(model, Path("names.json"))
    view: keras.Model = icnn.without_parts(model, ["tiger/0"])
    again: keras.Model = models.without_parts(view, list(named))
    rooms = [
        icnn.bench, icnn.callbacks, icnn.datasets, icnn.explanations, icnn.export, icnn.layers,
        icnn.metrics, icnn.models, icnn.recipes, icnn.visualize, icnn.zoo,
    ]  # fmt: skip
    made = [added, loss, rule, bank, converted, same, masked, again]
    return [made, numbers, total, explanation, rooms]


def use_networks(images: np.ndarray) -> list[keras.Model]:
    input_shape = (224, 224, 3)
    ordinary: list[keras.Model] = [
        zoo.alexnet(),
        zoo.alexnet_v2(include_top=False),
        zoo.convnext_tiny(classes=10),
        zoo.densenet121(weights="imagenet"),
        zoo.efficientnet_v2_b0(weights=Path("weights.npz"), new_head=True),
        zoo.mobilenet_v2(include_top=False, pooling="avg"),
        zoo.resnet50(input_tensor=keras.Input(input_shape)),
        zoo.squeezenet(extra_layer=True, new_filters=64, normalization=None),
        zoo.vgg16(classifier_activation=None, name="mine"),
        zoo.vgg19(classifier_activation=keras.activations.sigmoid),
        zoo.vgg_m(dropout=0.2),
        zoo.vgg_s(include_preprocessing=True),
    ]
    interpretable: list[icnn.InterpretableModel] = [
        zoo.alexnet_interpretable(),
        zoo.alexnet_v2_interpretable(mask=False),
        zoo.convnext_tiny_interpretable(classes=10),
        zoo.densenet121_interpretable(weights="imagenet"),
        zoo.efficientnet_v2_b0_interpretable(input_shape=input_shape),
        zoo.mobilenet_v2_interpretable(include_top=False, pooling="max"),
        zoo.resnet50_interpretable(filter_loss=None),
        zoo.squeezenet_interpretable(filter_loss=icnn.FilterLoss(), mask=False),
        zoo.vgg16_interpretable(classes=1, background_class=0),
        zoo.vgg19_interpretable(interpret_top=False),
        zoo.vgg_m_interpretable(extra_layer=False),
        zoo.vgg_s_interpretable(filter_loss="official"),
    ]
    names: list[str] = zoo.list_models("*_interpretable")
    prepared: np.ndarray = zoo.preprocess_input("vgg16", images)
    zoo.preprocess_input("alexnet", prepared, mean=zoo.read_matconvnet("alexnet.mat").mean)

    @zoo.register_model
    def small(units: int = 1) -> keras.Model:
        return zoo.create_model(names[0], classes=units)

    @zoo.register_model("other")
    def another(units: int = 1) -> keras.Model:
        return small(units=units)

    return [*ordinary, *interpretable, another(units=2)]


def use_data_sets(path: Path) -> list[Any]:
    splits: list[datasets.PartSplits] = [
        datasets.animal_part(path, negatives="negatives", on_error="skip"),
        datasets.creatures(n_train=10, image_size=(32, 32), species=["fox"], scale=(0.3, 0.4)),
        datasets.cub200(path, landmarks=("head", "back"), image_size=None, crop=False),
        datasets.folder("images", image_size=(64, 64), validation_split=0.1, seed=1),
        datasets.pascal_part(path, images=path / "JPEGImages", categories=["cat"]),
        datasets.read(datasets.detect(path), path, image_size=(64, 64)),
    ]
    mine: list[datasets.PartDataset] = [
        datasets.from_arrays(np.zeros((2, 8, 8, 3)), [0, 1], class_names=["a", "b"]),
        datasets.from_directory(path, image_size=(64, 64)),
        datasets.from_tf_dataset(splits[0].test.as_tf_dataset(8), class_names=None),
    ]
    text: str = splits[0].summary()
    readers: list[datasets.Reader] = [datasets.reader(name) for name in datasets.reader_names()]
    splits.append(readers[0].function(path))
    train: datasets.PartDataset = datasets.single_category(splits[0].train, flips=False)
    held_out: list[datasets.PartDataset] = [splits[0].validation, splits[0].test, train[:8]]
    samples: list[datasets.Sample] = [next(iter(train)), train[0], train[-1].flipped()]
    foxes: datasets.PartDataset = train.select(["fox"]).with_classes(["cat", "fox"])
    batches: datasets.PartBatches = foxes.batches(32, shuffle=True, seed=0)
    images, labels = batches[0]
    pixels: list[np.ndarray] = [images, labels, samples[0].image, train.image(0)]
    left_out: list[datasets.Skipped] = splits[0].skipped
    names: list[str] = splits[0].class_names + train.part_names
    held_out += [*mine, mine[0].with_classes(["b", "a"])]
    return [held_out, samples, pixels, batches.follow_epochs(), left_out, names, text]


def use_metrics(
    model: keras.Model,
    data: datasets.PartDataset,
    maps: np.ndarray,
    masks: np.ndarray,
    labels: np.ndarray,
) -> list[Any]:
    field: metrics.ReceptiveField = metrics.receptive_field(model, "conv")
    layer: keras.layers.Layer = metrics.measured_layer(model)
    peaks, strengths = metrics.peaks_of(maps, field.centers)
    size, centers, landmarks = (64, 64), field.centers, data.landmarks
    names = data.landmark_names
    reader = metrics.MapReader(model, layer, batch_size=8)
    images: np.ndarray = metrics.occlusion_images(data, input_size=size)
    radius: float = metrics.occlusion_radius(model, layer, images, receptive_field=field)
    report: metrics.EvaluationReport = metrics.evaluate(
        model, data, layer="conv", radius=radius, categories=["fox"], preprocess=np.tanh
    )
    again: metrics.EvaluationReport = metrics.evaluate_maps(
        [maps], labels, landmarks, centers,
        image_size=size, class_names=data.class_names, landmark_names=names,
    )  # fmt: skip
    text: str = report.summary(again)
    report.to_csv("filters.csv", table="filters")
    background: int = metrics.find_background(data.class_names)
    keypoints: metrics.KeypointResult = metrics.evaluate_keypoints(model, data, data)
    regression: metrics.KeypointResult = metrics.keypoint_regression(
        peaks, landmarks, peaks, landmarks, image_size=size, train_strengths=strengths
    )
    agreement: metrics.PartAgreement = metrics.evaluate_part_agreement(model, data, data, parts=4)
    groups: list[tuple[int, ...]] = metrics.group_filters(
        peaks, strengths, parts=4, image_size=size
    )
    agreed: metrics.PartAgreement = metrics.part_agreement(
        labels, landmarks, parts=4, image_size=size, groups=groups
    )
    fields: metrics.EmpiricalFields = metrics.empirical_receptive_fields(model, images, [0, 1])
    instability: metrics.InstabilityResult = metrics.location_instability(
        peaks, landmarks, strengths, image_size=size
    )
    tracking: metrics.TrackingResult = metrics.part_tracking(
        peaks, landmarks, strengths, image_size=size, head=0
    )
    coverage: metrics.CoverageResult = metrics.part_coverage(
        peaks, landmarks, strengths, image_size=size
    )
    anatomy: metrics.AnatomyResult = metrics.part_anatomy(
        peaks, landmarks, strengths, image_size=size, landmark_names=names
    )
    interpretability: metrics.InterpretabilityResult = metrics.part_interpretability(
        maps, masks, centers=centers, radius=radius
    )
    store = metrics.TopImages(size, top=10)
    streams = [
        metrics.Accuracy(background=0),
        metrics.Alive(),
        metrics.LocationInstability(size, store=store),
        metrics.PartInterpretability(10, data.part_masks, centers, radius, size),
        metrics.PartTracking(size, store=store),
        metrics.PartCoverage(size, fewest=10),
        metrics.PartAnatomy(size, names),
        metrics.PeakDiversity(size),
    ]
    plain, balanced = metrics.accuracy(maps, labels, from_logits=True)
    shares: tuple[np.ndarray, np.ndarray] = metrics.alive(strengths)
    figures: list[float] = [
        plain,
        balanced,
        metrics.part_diversity(["head", None]),
        metrics.peak_diversity(peaks, strengths, image_size=size),
        metrics.normalized_mutual_information(["a", "b"], [0, 1]),
        metrics.adjusted_rand_index(labels, labels),
        instability.mean,
        tracking.mean,
        coverage.coverage,
        metrics.parts_followed(coverage.r2, share=0.1),
        anatomy.mean,
        interpretability.mean,
        keypoints.error,
        regression.error,
        agreement.nmi,
        agreed.ari,
    ]
    trivial: dict[str, dict[str, float]] = metrics.trivial_detectors(
        landmarks, centers, image_size=size, landmark_names=names, part_masks=data.part_masks
    )
    return [reader, text, background, fields.at(0, (1.0, 2.0)), streams, shares, figures, trivial]


def use_faithfulness(
    model: keras.Model, data: datasets.PartDataset, image: np.ndarray, masks: np.ndarray
) -> list[Any]:
    def score(images: np.ndarray) -> np.ndarray:
        return images.mean(axis=(1, 2, 3))

    explanation = icnn.explain(model, image)
    maps = explanations.SaliencyMaps(model, class_names=["background", "fox"], batch_size=8)
    saliency: np.ndarray = maps.grad_cam(image, "fox")
    others: list[np.ndarray] = [
        maps.occlusion(image, patch=8, stride=4, baseline="blur"),
        maps.integrated_gradients(image, 1, steps=8),
        explanations.part_map(explanation, 30.0, each="filter"),
        maps.scores(image[None], maps.weights(image)),
    ]
    base: np.ndarray = explanations.baseline_image(image, "mean")
    order: np.ndarray = metrics.cell_order(saliency, 7)
    curves: metrics.DeletionInsertion = metrics.deletion_insertion(score, image, base, order)
    shares, images = metrics.curve_images(image, base, order, steps=7)
    again: metrics.DeletionInsertion = metrics.curves_of(shares, score(images))
    bound: np.ndarray = metrics.finer_order(metrics.greedy_order(score, image, base, cells=7), 2)
    hits: np.ndarray = metrics.pointing_game([metrics.highest_point(saliency)], masks, tolerance=15)
    drop: metrics.OcclusionDrop = metrics.occlusion_drop([[1.0, 2.0]], [[0.5, 2.0]], [True, False])
    changed: list[np.ndarray] = [
        metrics.corrupt(image, metrics.CORRUPTIONS[0], 2, seed=1),
        metrics.shifted(metrics.jpeg(image, 50), right=1),
        metrics.mean_filled(metrics.blurred(image, 3.0)),
    ]
    noisy: datasets.PartDataset = metrics.corrupted(data, "jpeg", 1)
    rows: list[dict[str, Any]] = metrics.evaluate_corruptions(model, noisy, strengths=(1,))
    report: explanations.FaithfulnessReport = explanations.evaluate_faithfulness(
        model, data, reference=data, methods=["parts"], extra={"center": lambda image, c: image[0]}
    )
    report.to_csv("faithfulness.csv")
    checks: explanations.DecisionChecks = explanations.Explainer(model).checks
    figures: list[float] = [
        curves.deletion_area,
        again.insertion_area,
        curves.advantage,
        metrics.curve_area([0, 1], [1, 0]),
        metrics.map_agreement(saliency, others[0]),
        drop.selectivity,
        explanation.outside_share,
        report.means()["parts"]["points_any"],
    ]
    warnings: list[str] = explanation.warnings
    point: np.ndarray = explanations.strongest_point(explanation)
    return [bound, hits, changed, rows, report.summary(), checks, figures, warnings, point]


def use_figures(
    model: keras.Model, data: datasets.PartDataset, history: keras.callbacks.History
) -> list[Any]:
    image = data.image(0)
    figures: list[Figure] = [
        visualize.category_filters(model, data),
        visualize.filter_gallery(model, data, filter=3, compare=model, path="gallery.png"),
        visualize.filter_maps(model, image, filters=[3, 7], layer="conv"),
        visualize.part_gallery(model, data, "cat", n=4),
        visualize.part_heatmap(model, data, n=4),
        visualize.receptive_fields(model, data, filters=1, verbose=1),
        visualize.templates(icnn.PartTemplates().for_maps(6, 6), n=3),
        visualize.training_curves(history),
        visualize.training_curves({"loss": [1.0, 0.5]}, title="Loss"),
    ]
    page: Path = visualize.report(model, data, "report.html", compare=model, n=100)
    explainer = explanations.Explainer(model)
    explained: explanations.Explanation = explanations.explain(
        model, image, "fox", "gradient", against=0, reference=data
    )
    figures.append(explained.plot(3, path=Path("why.png")))
    several: list[explanations.Explanation] = explainer.batch(image[None], targets=["fox"])
    effects: list[float] = [part.effect for part in explained.parts]
    text: str = explained.summary(n=3)
    found: explanations.CategoryEffects = explanations.category_effects(model, data, others=50)
    first: explanations.PartEffect = found.parts[0]
    rows: list[dict[str, Any]] = explanations.accuracy_without_parts(model, data, [first.key])
    effects += [first.mean, rows[0]["accuracy"], found.table("fox")[0]["spread"]]
    text += found.summary() + first.label
    return [figures, page, explainer(image), several, explained.table(), effects, text]


def use_callbacks(data: datasets.PartDataset) -> list[keras.callbacks.Callback]:
    return [
        callbacks.Backup("run/backup.npz", every=2),
        callbacks.FilterEntropies(data, layer="conv", images=32),
        callbacks.PartMetrics(data, prefix="test_", radius=8.0, verbose=1),
        callbacks.PartPictures(data, out=Path("pictures"), filters=[1]),
        callbacks.StopOnNaN(data.batches(8)),
    ]


def use_exports(model: keras.Model, images: np.ndarray) -> list[Any]:
    export.export_model(model, "network.onnx", format="onnx", endpoint="explain", top_filters=4)
    artifact = export.Artifact(Path("network.onnx"))
    outputs: dict[str, np.ndarray] = artifact(images, endpoint="explain")
    kind: str = export.format_of("network.onnx")
    try:
        verification: export.Verification = export.verify(model, "network.onnx", tolerance=1e-3)
    except export.ExportError as error:
        return [error]
    return [outputs, kind, verification.deviations, sorted(export.FORMATS)]


def use_recipes(folder: Path) -> list[Any]:
    try:
        recipe: recipes.Recipe = recipes.read_recipe("recipe.toml")
    except recipes.RecipeError as error:
        return [error]
    rows = recipes.run_recipe(recipe, folder, "runs", seeds=[0], verbose=False)
    done = recipes.run_recipes([recipes.Job(recipe)], folder, "runs", train=False)
    text = [recipes.summarize(rows), recipes.compare(rows)]
    run: recipes.FolderRun = recipes.train_folder(folder, "runs/photos", epochs=1, compare=True)
    page: list[Path] = run.paths
    return [done, text, page, recipes.reproduce("table1", folder, "runs", networks=["vgg16"])]


def use_benchmarks(folder: Path) -> list[Any]:
    layer: bench.LayerSetting = bench.LayerSetting(size=7, filters=8, normalization=None)
    network: bench.NetworkSetting = bench.NetworkSetting("mobilenet_v2", image_size=96)
    rows: list[dict[str, Any]] = bench.benchmark_layer(layer, rules=bench.RULES, report=print)
    rows += bench.benchmark_network(network, modes=bench.MODES["jax"], phases=bench.PHASES)
    figure: Figure = bench.plot(rows, path=folder / "ratios.png")
    lines: list[str] = [bench.table_header(), *map(bench.table_line, rows)]
    wrong: list[str] = bench.unmet(rows, limit=5)
    mine, plain = bench.paired_seconds(lambda: None, lambda: None, 5)
    ratios: dict[str, float] = bench.summarize(mine, plain)
    return [figure, lines, wrong, ratios]


def use_demo(folder: Path) -> list[Any]:
    done: demo.DemoResult = demo.run_demo(folder, quick=True, setting=demo.Setting(epochs=1))
    report: metrics.EvaluationReport = done.reports["interpretable"]
    return [report.summary(done.reports["ordinary"]), done.models["ordinary"], done.paths]


def mistakes_that_are_found(model: keras.Model, data: datasets.PartDataset) -> None:
    """Each line is an error that pyright must find; one that it does not find is reported."""
    icnn.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    bench.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    callbacks.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    datasets.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    explanations.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    export.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    layers.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    metrics.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    models.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    recipes.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    visualize.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    zoo.nothing()  # pyright: ignore[reportAttributeAccessIssue]
    zoo.vgg16(mask=True)  # pyright: ignore[reportCallIssue]
    zoo.vgg16_interpretable(classes="3")  # pyright: ignore[reportArgumentType]
    zoo.vgg16_interpretable(pooling="sum")  # pyright: ignore[reportArgumentType]
    metrics.evaluate(model)  # pyright: ignore[reportCallIssue]
    visualize.filter_gallery(model, data, filter="3")  # pyright: ignore[reportArgumentType]
    callbacks.Backup(every=2)  # pyright: ignore[reportCallIssue]
    icnn.InterpretableConv(8, 3)  # pyright: ignore[reportCallIssue]
    icnn.InterpretableFilters(num_classes="6")  # pyright: ignore[reportArgumentType]
    icnn.InterpretableConv(8, 3, num_classes=2, filter_loss=0.1)  # pyright: ignore[reportArgumentType]
    icnn.FilterLoss(strength="high")  # pyright: ignore[reportArgumentType]
    icnn.make_interpretable(model, classes=6)  # pyright: ignore[reportCallIssue]
    icnn.explain(model, data.image(0), method="gradients")  # pyright: ignore[reportArgumentType]
    models.without_masks("model.keras")  # pyright: ignore[reportArgumentType]
    icnn.without_parts(model, 3)  # pyright: ignore[reportArgumentType]
    icnn.name_parts(model, ["head"])  # pyright: ignore[reportArgumentType]
    datasets.folder(3)  # pyright: ignore[reportArgumentType]
    datasets.cub200("birds", on_error="ignore")  # pyright: ignore[reportArgumentType]
    data[0].batches(8)  # pyright: ignore[reportAttributeAccessIssue]
    data[:8].flip()  # pyright: ignore[reportAttributeAccessIssue]
    data.batches("8")  # pyright: ignore[reportArgumentType]
    metrics.occlusion_radius(model, "conv", data)  # pyright: ignore[reportArgumentType]
    metrics.part_tracking(data.landmarks, data.landmarks)  # pyright: ignore[reportCallIssue]
    recipes.run_recipe("recipe.toml", "data", "runs")  # pyright: ignore[reportArgumentType]
    bench.benchmark_layer(bench.NetworkSetting())  # pyright: ignore[reportArgumentType]
