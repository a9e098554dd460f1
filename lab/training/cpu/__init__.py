"""Operations that a CPU does another way than the libraries, which make them for GPUs. Each keeps to the library's own where it does not know a
model's part."""
