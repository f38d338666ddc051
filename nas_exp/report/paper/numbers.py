"""The paper's own numbers, beside which reports put ours.

Source: Gallina, Morcavallo, Orecchini, *Lightweight NAS: A Comparative Empirical Study of Training-Free Metrics*.
"""

from nas_exp.report.reference import PublishedSearch, Reference

_METRICS = {"val_acc": "val_acc", "relu": "ReLU", "synflow": "SynFlow", "grad_norm": "Grad-Norm"}
_DATASETS = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet16-120": "ImageNet16-120"}
_ALGOS = {"rs": "Random search", "rea": "Regularized evolution"}

_RHO = {
    (dataset, metric): rho
    for dataset, row in (
        ("cifar10", (0.81, 0.78, 0.74, 0.59)),
        ("cifar100", (0.82, 0.81, 0.76, 0.64)),
        ("imagenet16-120", (0.82, 0.79, 0.75, 0.58)),
    )
    for metric, rho in zip(_METRICS, row, strict=True)
}
"""Table I: rank correlation with test accuracy after 200 epochs, by dataset and metric."""

_RHO_TOP = {
    (dataset, metric): rho
    for dataset, row in (
        ("cifar10", (0.77, 0.19, 0.27)),
        ("cifar100", (0.72, 0.23, 0.31)),
        ("imagenet16-120", (0.76, 0.20, 0.19)),
    )
    for metric, rho in zip(_METRICS, row, strict=False)
}
"""Table VI: the same over the tenth with the best scores; it has no Grad-Norm."""

_SEARCHES = {
    (dataset, metric, algo): PublishedSearch(*values)
    for dataset, rows in (
        (
            "cifar10",
            (
                ((147867.9, 91.36, 0.18, 91.11, 0.22), (186277.0, 91.32, 0.26, 91.00, 0.24)),
                ((84.9, 89.98, 0.44, 89.70, 0.44), (198.1, 90.21, 0.11, 89.89, 0.20)),
                ((77.9, 89.93, 0.87, 89.69, 0.87), (102.0, 90.20, 0.00, 90.22, 0.00)),
                ((87.2, 86.73, 2.52, 86.29, 2.57), (98.9, 85.51, 0.00, 85.12, 0.00)),
            ),
        ),
        (
            "cifar100",
            (
                ((227100.0, 72.18, 0.83, 72.13, 0.78), (295347.6, 72.83, 0.55, 72.22, 0.36)),
                ((74.3, 70.12, 0.62, 70.07, 0.78), (178.8, 69.77, 0.05, 69.65, 0.01)),
                ((68.6, 71.17, 1.62, 71.24, 1.67), (99.6, 70.71, 0.00, 71.11, 0.00)),
                ((74.9, 62.35, 3.99, 62.54, 3.89), (98.3, 59.88, 0.00, 60.02, 0.00)),
            ),
        ),
        (
            "imagenet16-120",
            (
                ((668721.4, 45.75, 0.38, 45.90, 0.66), (881215.1, 46.07, 0.56, 46.39, 0.23)),
                ((37.3, 43.79, 2.57, 44.22, 2.60), (74.1, 43.52, 0.00, 43.85, 0.00)),
                ((63.9, 42.03, 3.53, 42.21, 3.60), (111.0, 40.78, 0.00, 41.44, 0.00)),
                ((46.6, 23.70, 12.75, 23.64, 12.76), (64.2, 0.83, 0.00, 0.83, 0.00)),
            ),
        ),
    )
    for metric, pair in zip(_METRICS, rows, strict=True)
    for algo, values in zip(_ALGOS, pair, strict=True)
}
"""Tables III to V, over 30 runs."""

PAPER = Reference(
    space="topology",
    datasets=_DATASETS,
    metrics=_METRICS,
    algos=_ALGOS,
    hyper_parameters={"rs": {"N": 1000}, "rea": {"N": 1000, "P": 20, "S": 10}},
    rho=_RHO,
    rho_top=_RHO_TOP,
    searches=_SEARCHES,
    seconds_measured="The paper's were measured on Google Colab, ours",
    numbers={
        "correlations": ("table-1", "Table I"),
        "correlations-top": ("table-6", "Table VI"),
        "searches": ("figure-2", "Figure 2"),
        "searches-cifar10": ("table-3", "Table III"),
        "searches-cifar100": ("table-4", "Table IV"),
        "searches-imagenet16-120": ("table-5", "Table V"),
    },
)
"""The paper, its metrics, datasets and algorithms in its order."""
