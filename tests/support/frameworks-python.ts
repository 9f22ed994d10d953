import { pythonWith } from './python-environment.ts';

/**
 * A Python with PyTorch, scikit-learn and MLflow's client. PyPI has PyTorch for Linux only with CUDA; what its
 * processors' part is linked with is named here, and nothing that only a GPU needs (decision 0053).
 */
export function frameworksPython(): string {
  return pythonWith('frameworks', [...TORCH, ...OTHERS], ['--no-compile', '--no-deps']);
}

const TORCH = [
  ...['torch==2.15.0', 'filelock==4.3.1', 'fsspec==2026.9.0', 'jinja2==3.1.6', 'markupsafe==3.0.4'],
  ...['mpmath==1.3.0', 'networkx==3.6.1', 'sympy==1.14.0', 'typing_extensions==4.16.0', 'numpy==2.4.6'],
  ...['nvidia-cublas==13.4.1.3', 'nvidia-cuda-cupti==13.2.86', 'nvidia-cuda-nvrtc==13.2.86'],
  ...['nvidia-cuda-runtime==13.2.86', 'nvidia-cudnn-cu13==9.26.0.51', 'nvidia-cufft==12.2.0.57'],
  ...['nvidia-cufile==1.17.1.22', 'nvidia-cusparse==12.7.10.12', 'nvidia-cusparselt-cu13==0.8.1'],
  ...['nvidia-nccl-cu13==2.30.7', 'nvidia-nvjitlink==13.5.37', 'nvidia-nvshmem-cu13==3.7.2'],
];
const OTHERS = [
  ...['scikit-learn==1.9.1', 'scipy==1.17.1', 'joblib==1.6.0', 'threadpoolctl==3.8.0', 'narwhals==2.29.0'],
];
