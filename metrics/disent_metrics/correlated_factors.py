"""The metric variants of the HFS lineage as torchmetrics classes."""

from disent_metrics.metric import CodesMetric, SplitMetric


class HFSMutualInformationGap(CodesMetric):
    """Mutual information gap with binned factors; see ``disent_metrics.functional.hfs_mig``.

    >>> import torch
    >>> metric = HFSMutualInformationGap()
    >>> grid = torch.cartesian_prod(torch.arange(40), torch.arange(40))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    {'hfs_mig': tensor(1.)}
    """

    score = "hfs_mig"


class HFSModularity(CodesMetric):
    """Modularity with binned factors; see ``disent_metrics.functional.hfs_modularity``.

    >>> import torch
    >>> metric = HFSModularity()
    >>> grid = torch.cartesian_prod(torch.arange(40), torch.arange(40))
    >>> metric.update(grid * 1.0, grid)
    >>> metric.compute()
    {'hfs_modularity': tensor(1.)}
    """

    score = "hfs_modularity"


class HFSDCI(SplitMetric):
    """DCI on min-max scaled codes; see ``disent_metrics.functional.hfs_dci``.

    >>> import torch
    >>> metric = HFSDCI()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(250))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()["hfs_dci_informativeness_test"]
    tensor(1.)
    """

    score = "hfs_dci"


class HFSSAP(SplitMetric):
    """SAP on binned codes and factors; see ``disent_metrics.functional.hfs_sap``.

    >>> import torch
    >>> metric = HFSSAP()
    >>> grid = torch.cartesian_prod(torch.arange(2), torch.arange(2), torch.arange(250))[:, :2]
    >>> metric.update(grid * 8.0, grid)
    >>> metric.update(grid * 8.0, grid, test=True)
    >>> metric.compute()
    {'hfs_sap': tensor(0.5000)}
    """

    score = "hfs_sap"
