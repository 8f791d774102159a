"""Settings of torch's code generator. They can be read and set; none has an effect on XLA."""

conv_1x1_as_mm = False
coordinate_descent_tuning = False
coordinate_descent_check_all_directions = False
cpp_wrapper = False
epilogue_fusion = True
force_fuse_int_mm_with_mul = False
freezing = False
fx_graph_cache = True
max_autotune = False
max_autotune_gemm = False
