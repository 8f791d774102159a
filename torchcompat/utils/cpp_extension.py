"""`torch.utils.cpp_extension`: torch's C++ is not here, so extensions cannot be built."""

from torchcompat._absent import fill

CUDA_HOME = ROCM_HOME = CUDNN_HOME = SYCL_HOME = None
IS_WINDOWS = False
IS_HIP_EXTENSION = False

fill(
    globals(),
    "extensions are built against torch's own C++; write the op in JAX (torchcompat.library.custom_op)",
    classes="BuildExtension",
    functions="""CppExtension CUDAExtension SyclExtension load load_inline include_paths library_paths
    is_ninja_available verify_ninja_availability check_compiler_ok_for_platform get_default_build_root
    get_compiler_abi_compatibility_and_version remove_extension_h_precompiler_headers get_cxx_compiler
    check_compiler_is_gcc""",
)
