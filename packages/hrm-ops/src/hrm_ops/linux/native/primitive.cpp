// The operation of MLX's graph that runs a kernel on the CPU, and the way from Python's arrays to MLX's.
#include <stdexcept>
#include <string>

#include "mlx/allocator.h"
#include "mlx/array.h"
#include "mlx/backend/cpu/encoder.h"
#include "mlx/ops.h"
#include "mlx/primitives.h"
#include "mlx/scheduler.h"

namespace mx = mlx::core;

namespace {

typedef void (*Kernel)(const float* const*, float* const*, const int64_t*, float);

class NativeKernel : public mx::Primitive {
 public:
  NativeKernel(mx::Stream stream, Kernel kernel, std::vector<int64_t> sizes, float eps)
      : Primitive(stream), kernel_(kernel), sizes_(std::move(sizes)), eps_(eps) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    auto& encoder = mx::cpu::get_command_encoder(stream());
    std::vector<const float*> in;
    std::vector<float*> out;
    for (const auto& array : inputs) {
      in.push_back(array.data<float>());
      encoder.set_input_array(array);
    }
    for (auto& array : outputs) {
      array.set_data(mx::allocator::malloc(array.nbytes()));
      out.push_back(array.data<float>());
      encoder.set_output_array(array);
    }
    // MLX allocates ahead of what runs, by so many tasks; it counts ten small operations as one task.
    mx::scheduler::notify_new_task(stream());
    encoder.dispatch([in = std::move(in), out = std::move(out), kernel = kernel_, sizes = sizes_, eps = eps_] {
      kernel(in.data(), out.data(), sizes.data(), eps);
    });
    encoder.dispatch([stream = stream()] { mx::scheduler::notify_task_completion(stream); });
  }

  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw std::runtime_error("[hrm_ops] native kernels run on the CPU only");
  }

  // mx.compile then computes once what is asked for twice, such as a packed weight.
  bool is_equivalent(const mx::Primitive& other) const override {
    const auto* same = dynamic_cast<const NativeKernel*>(&other);
    return same && same->kernel_ == kernel_ && same->sizes_ == sizes_ && same->eps_ == eps_;
  }

  const char* name() const override { return "NativeKernel"; }

 private:
  Kernel kernel_;
  std::vector<int64_t> sizes_;
  float eps_;
};

// nanobind's instance: after Python's header the distance to the value, and flags, the third of which says that the
// value is there and not a pointer to it.
struct Instance {
  int32_t distance;
  uint32_t flags;
};

mx::array* array_of(char* object, int header) {
  const auto* instance = reinterpret_cast<Instance*>(object + header);
  char* at = object + instance->distance;
  return instance->flags & 4 ? reinterpret_cast<mx::array*>(at) : *reinterpret_cast<mx::array**>(at);
}

}  // namespace

extern "C" {

// Lets Python's arrays `out` become the results of a kernel, which is not run yet. Each is described in `shapes` by its
// number of axes and their sizes. Returns null, or what went wrong.
const char* hrm_call(int header, Kernel kernel, int inputs, char** in, int outputs, char** out, const int* shapes,
                     int count, const int64_t* sizes, float eps) {
  try {
    std::vector<mx::array> from;
    std::vector<mx::Shape> to;
    for (int i = 0; i < inputs; i++) from.push_back(mx::contiguous(*array_of(in[i], header)));
    for (int i = 0; i < outputs; i++, shapes += *shapes + 1) to.emplace_back(shapes + 1, shapes + 1 + *shapes);
    const auto stream = mx::default_stream(mx::default_device());
    auto primitive = std::make_shared<NativeKernel>(stream, kernel, std::vector<int64_t>(sizes, sizes + count), eps);
    const auto made = mx::array::make_arrays(to, std::vector<mx::Dtype>(outputs, mx::float32), primitive, from);
    for (int i = 0; i < outputs; i++) *array_of(out[i], header) = made[i];
    return nullptr;
  } catch (const std::exception& error) {
    static thread_local std::string message;
    message = error.what();
    return message.c_str();
  }
}
}
