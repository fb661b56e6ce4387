"""A data set of your own: images and `factors.csv` (columns file, shape, hue, size) in the folder `data/my_dataset`.

make bench METHOD=beta_vae DATASET=my_dataset PLUGIN=examples/my_dataset.py
"""

from disent_datasets import FactorGrid, FactorSpace, Request, grid_from_folder, register_dataset


@register_dataset(
    "my_dataset",
    title="My data set",
    factors=FactorSpace(("shape", "hue", "size"), (2, 4, 5)),
    shape=(64, 64, 3),
    licence="mine",
    citation="me",
)
def my_dataset(request: Request) -> FactorGrid:
    return grid_from_folder(request, request.folder)
