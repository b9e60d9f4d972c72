"""What PyTorch reads from the environment before a process first uses a GPU. Loads no torch."""

from __future__ import annotations

from collections.abc import MutableMapping

_BEFORE_CUDA = {
    # cuBLAS gives the same bits twice only with a workspace of fixed size:
    # https://docs.nvidia.com/cuda/cublas/#results-reproducibility
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    # torch.cuda.is_available() then asks NVML. Otherwise it uses the driver, which no process that
    # is forked afterwards can use any more: https://docs.pytorch.org/docs/stable/notes/cuda.html
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}


def prepare_environment(environ: MutableMapping[str, str]) -> None:
    """Set what CUDA needs in the process that computes. What is set already stays as it is.

    Args:
        environ: Of the parent process, before it forks.
    """
    for name, value in _BEFORE_CUDA.items():
        environ.setdefault(name, value)
