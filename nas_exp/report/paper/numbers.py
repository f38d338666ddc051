"""The paper's own numbers, beside which reports put ours.

Source: Gallina, Morcavallo, Orecchini, *Lightweight NAS: A Comparative Empirical Study of Training-Free Metrics*.
"""

from collections.abc import Mapping

METRICS = {"val_acc": "val_acc", "relu": "ReLU", "synflow": "SynFlow", "grad_norm": "Grad-Norm"}
"""The paper's metrics in its order, by the names that we give them."""
DATASETS = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet16-120": "ImageNet16-120"}
"""Its datasets, likewise."""
ALGOS = {"rs": "Random search", "rea": "Regularized evolution"}
"""Its algorithms, likewise."""

SPEARMAN: Mapping[tuple[str, str], float] = {
    (dataset, metric): rho
    for dataset, row in (
        ("cifar10", (0.81, 0.78, 0.74, 0.59)),
        ("cifar100", (0.82, 0.81, 0.76, 0.64)),
        ("imagenet16-120", (0.82, 0.79, 0.75, 0.58)),
    )
    for metric, rho in zip(METRICS, row, strict=True)
}
"""Table I: rank correlation with test accuracy after 200 epochs, by dataset and metric."""

SPEARMAN_TOP: Mapping[tuple[str, str], float] = {
    (dataset, metric): rho
    for dataset, row in (
        ("cifar10", (0.77, 0.19, 0.27)),
        ("cifar100", (0.72, 0.23, 0.31)),
        ("imagenet16-120", (0.76, 0.20, 0.19)),
    )
    for metric, rho in zip(METRICS, row, strict=False)
}
"""Table VI: the same over the tenth with the best scores; it has no Grad-Norm."""

SEARCHES: Mapping[tuple[str, str, str], tuple[float, float, float, float, float]] = {
    (dataset, metric, algo): values
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
    for metric, pair in zip(METRICS, rows, strict=True)
    for algo, values in zip(ALGOS, pair, strict=True)
}
"""Tables III to V, by dataset, metric and algorithm: mean seconds, validation accuracy and its deviation, test accuracy
and its deviation, in percent, over 30 runs with N = 1000 and, for evolution, P = 20 and S = 10."""

PAPERS_HYPER_PARAMETERS = {"rs": {"N": 1000}, "rea": {"N": 1000, "P": 20, "S": 10}}
"""What the numbers of Tables III to V belong to."""
