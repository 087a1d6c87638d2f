/* A CUDA driver that Triton starts with: eight devices of compute capability 9.0, onto which nothing can be loaded. */
enum { MULTIPROCESSORS = 16, MAJOR = 75, MINOR = 76, SHARED_PER_BLOCK_OPTIN = 97 }; /* cuda.h: CUdevice_attribute */

int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *count) { *count = 8; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == MAJOR ? 9 : attribute == MINOR ? 0 : attribute == MULTIPROCESSORS ? 132
         : attribute == SHARED_PER_BLOCK_OPTIN ? 227 << 10 : 1;
  return 0;
}
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { *flags = 0; *active = 0; return 0; }

/* Triton's launcher is linked to these; whoever calls one hears CUDA_ERROR_NOT_SUPPORTED. */
#define REFUSES(function) int function(void) { return 801; }
REFUSES(cuCtxGetCurrent)
REFUSES(cuCtxGetDevice)
REFUSES(cuCtxGetLimit)
REFUSES(cuCtxSetCurrent)
REFUSES(cuCtxSetLimit)
REFUSES(cuDevicePrimaryCtxRetain)
REFUSES(cuFuncGetAttribute)
REFUSES(cuFuncSetAttribute)
REFUSES(cuFuncSetCacheConfig)
REFUSES(cuGetErrorString)
REFUSES(cuModuleGetFunction)
REFUSES(cuModuleLoadData)
REFUSES(cuModuleUnload)
REFUSES(cuPointerGetAttribute)
