/* A CUDA runtime that shows eight H100. Device memory is the host's, copies are memcpy, launches do nothing.

   It is preloaded before libcudart.so.13 of torch's wheel, so it has each function that torch calls on the way from
   `import torch.cuda` to a training step on fake tensors; any other is the wheel's, and fails for want of a driver. */
#include <cuda_runtime_api.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OK cudaSuccess
static const size_t MEMORY = 85000000000ull; /* bytes: an H100 SXM's 80 GB as the driver reports them */

/* -- devices: CUDA C Programming Guide, "Technical Specifications per Compute Capability", 9.0 */
cudaError_t cudaGetDeviceCount(int *count) { *count = 8; return OK; }
cudaError_t cudaGetDevice(int *device) { *device = 0; return OK; }
cudaError_t cudaSetDevice(int device) { return OK; }
cudaError_t cudaDriverGetVersion(int *version) { *version = 13000; return OK; }
cudaError_t cudaRuntimeGetVersion(int *version) { *version = 13000; return OK; }
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device) {
  memset(p, 0, sizeof *p);
  strcpy(p->name, "NVIDIA H100 80GB HBM3");
  p->major = 9;
  p->multiProcessorCount = 132;
  p->warpSize = 32;
  p->totalGlobalMem = MEMORY;
  p->l2CacheSize = 50 << 20;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = 2048;
  p->maxBlocksPerMultiProcessor = 32;
  p->regsPerBlock = p->regsPerMultiprocessor = 64 << 10;
  p->sharedMemPerBlock = 48 << 10;
  p->sharedMemPerBlockOptin = 227 << 10;
  p->sharedMemPerMultiprocessor = 228 << 10;
  return OK;
}
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) { *value = 1; return OK; }
cudaError_t cudaDeviceSynchronize(void) { return OK; }
cudaError_t cudaGetLastError(void) { return OK; }
cudaError_t cudaPeekAtLastError(void) { return OK; }

/* -- streams and events: each a new number, all of them done */
static uintptr_t handles = 0;
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -5; return OK; }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned f, int p) { *s = (cudaStream_t)(handles += 16); return OK; }
cudaError_t cudaStreamDestroy(cudaStream_t s) { return OK; }
cudaError_t cudaStreamSynchronize(cudaStream_t s) { return OK; }
cudaError_t cudaStreamQuery(cudaStream_t s) { return OK; }
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned f) { return OK; }
cudaError_t cudaStreamIsCapturing(cudaStream_t s, enum cudaStreamCaptureStatus *status) {
  *status = cudaStreamCaptureStatusNone;
  return OK;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t s, enum cudaStreamCaptureStatus *status, unsigned long long *id,
                                     cudaGraph_t *g, const cudaGraphNode_t **d, const cudaGraphEdgeData **ed, size_t *n) {
  *status = cudaStreamCaptureStatusNone;
  return OK;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode) { return OK; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned f) { *e = (cudaEvent_t)(handles += 16); return OK; }
cudaError_t cudaEventDestroy(cudaEvent_t e) { return OK; }
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) { return OK; }
cudaError_t cudaEventRecordWithFlags(cudaEvent_t e, cudaStream_t s, unsigned f) { return OK; }
cudaError_t cudaEventQuery(cudaEvent_t e) { return OK; }
cudaError_t cudaEventSynchronize(cudaEvent_t e) { return OK; }

/* -- memory */
static cudaError_t allocate(void **p, size_t n) {
  *p = aligned_alloc(512, (n + 511) / 512 * 512);
  return *p ? OK : cudaErrorMemoryAllocation;
}
cudaError_t cudaMalloc(void **p, size_t n) { return allocate(p, n); }
cudaError_t cudaFree(void *p) { free(p); return OK; }
cudaError_t cudaHostAlloc(void **p, size_t n, unsigned f) { return allocate(p, n); }
cudaError_t cudaFreeHost(void *p) { free(p); return OK; }
cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *a, const void *p) {
  memset(a, 0, sizeof *a);
  a->type = cudaMemoryTypeUnregistered;
  return OK;
}
cudaError_t cudaMemGetInfo(size_t *free_, size_t *total) { *free_ = *total = MEMORY; return OK; }
cudaError_t cudaMemcpy(void *to, const void *from, size_t n, enum cudaMemcpyKind k) { memcpy(to, from, n); return OK; }
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind k, cudaStream_t s) {
  memcpy(to, from, n);
  return OK;
}
cudaError_t cudaMemsetAsync(void *p, int v, size_t n, cudaStream_t s) { memset(p, v, n); return OK; }
cudaError_t cudaLaunchKernel(const void *f, dim3 grid, dim3 block, void **args, size_t n, cudaStream_t s) { return OK; }
