import os

os.environ.setdefault("MLX_ENABLE_TF32", "0")  # float32 on CUDA too; MLX reads it at its first product
