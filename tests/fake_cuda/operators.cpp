// LibTorch's operators on the fake CUDA device: computed by LibTorch's CPU kernels on the same
// memory, as tasks of the current stream. Streams, allocator and autograd are LibTorch's own.
//
// The memory of fake devices is host memory, so a CUDA tensor can be seen as a CPU tensor. An
// operator that returns new tensors learns their shapes from its meta kernel and allocates them
// with LibTorch's CUDA allocator; where there is none, it waits for the stream and computes at
// once, which a capture does not allow.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/copy_native.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "counters.h"
#include "device.h"
#include "settings.h"

namespace valley::fake {
namespace {

using c10::IValue;
using c10::OperatorHandle;
using c10::Stack;

at::Tensor as_host(const at::Tensor& t) {
  if (!t.defined()) return t;
  const auto options = t.options().device(at::kCPU).requires_grad(false);
  // A number that came along from the host may change before the task runs.
  if (!t.is_cuda()) return t.detach().clone();
  if (t.numel() == 0) return at::empty_strided(t.sizes(), t.strides(), options);
  return at::from_blob(t.mutable_data_ptr(), t.sizes(), t.strides(), options);
}

at::Tensor as_meta(const at::Tensor& t) {
  if (!t.defined()) return t;
  return at::empty_strided(t.sizes(), t.strides(),
                           t.options().device(at::kMeta).requires_grad(false));
}

template <typename Change>
IValue changed(const IValue& value, at::DeviceType device, const Change& change) {
  if (value.isTensor()) return change(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> out;
    for (const at::Tensor& t : value.toTensorVector()) out.push_back(change(t));
    return out;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> out;
    for (const std::optional<at::Tensor>& t : value.toOptionalTensorVector())
      out.push_back(t ? std::optional(change(*t)) : std::nullopt);
    return out;
  }
  if (value.isDevice()) return at::Device(device);
  return value;
}

template <typename Change>
Stack changed(const Stack& values, at::DeviceType device, const Change& change) {
  Stack out;
  for (const IValue& value : values) out.push_back(changed(value, device, change));
  return out;
}

// The argument that a return value is, for operators in place and with out tensors; else -1.
int written_argument(const c10::FunctionSchema& schema, const c10::Argument& returned) {
  if (returned.alias_info() == nullptr || !returned.alias_info()->isWrite()) return -1;
  for (std::size_t i = 0; i < schema.arguments().size(); ++i) {
    const c10::AliasInfo* alias = schema.arguments()[i].alias_info();
    if (alias != nullptr && alias->isWrite() && *alias == *returned.alias_info())
      return static_cast<int>(i);
  }
  return -1;
}

void call(const OperatorHandle& op, Stack& stack) {
  const c10::NoGradGuard no_grad;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  op.callBoxed(&stack);
}

// Sizes of a convolution's output.
at::Tensor meta_convolution(const Stack& a) {
  const at::Tensor input = a[0].toTensor();
  const at::Tensor weight = a[1].toTensor();
  const auto stride = a[3].toIntVector();
  const auto padding = a[4].toIntVector();
  const auto dilation = a[5].toIntVector();
  const bool transposed = a[6].toBool();
  const auto more = a[7].toIntVector();
  const std::int64_t groups = a[8].toInt();
  std::vector<std::int64_t> sizes = {input.size(0),
                                     transposed ? weight.size(1) * groups : weight.size(0)};
  for (std::size_t d = 0; d + 2 < static_cast<std::size_t>(input.dim()); ++d) {
    const auto in = input.size(static_cast<std::int64_t>(d) + 2);
    const auto reach =
        dilation[d % dilation.size()] * (weight.size(static_cast<std::int64_t>(d) + 2) - 1);
    const auto s = stride[d % stride.size()];
    const auto p = padding[d % padding.size()];
    sizes.push_back(transposed ? (in - 1) * s - 2 * p + reach + more[d % more.size()] + 1
                               : (in + 2 * p - reach - 1) / s + 1);
  }
  const bool channels_last = input.suggest_memory_format() == at::MemoryFormat::ChannelsLast ||
                             weight.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
  return at::empty(sizes, input.options().device(at::kMeta).requires_grad(false),
                   channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

Stack meta_convolution_backward(const Stack& a) {
  const auto mask = a[10].toBoolList();
  const at::Tensor weight = a[2].toTensor();
  const at::Tensor bias = at::empty({a[0].toTensor().size(1)}, weight.options().device(at::kMeta));
  return {mask[0] ? as_meta(a[1].toTensor()) : at::Tensor(),
          mask[1] ? as_meta(weight) : at::Tensor(), mask[2] ? bias : at::Tensor()};
}

std::string full_name(const c10::OperatorName& name) {
  return name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
}

// The result's shape depends on the values of these: they wait for the stream.
bool depends_on_values(const std::string& name) {
  static const std::vector<std::string_view> kNames = {
      "aten::nonzero",    "aten::masked_select",      "aten::_unique2",
      "aten::unique_dim", "aten::unique_consecutive", "aten::index.Tensor"};
  return std::ranges::find(kNames, name) != kNames.end();
}

// Outputs of the operator with the right shapes, on another device: computed by its meta kernel,
// or by its CPU kernel on zeros.
Stack find_shapes(const OperatorHandle& op, const Stack& arguments) {
  const std::string& name = op.operator_name().name;
  if (name == "aten::convolution") return {meta_convolution(arguments)};
  if (name == "aten::convolution_backward") return meta_convolution_backward(arguments);
  if (op.hasKernelForDispatchKey(c10::DispatchKey::Meta)) {
    try {
      Stack shapes = changed(arguments, at::kMeta, as_meta);
      call(op, shapes);
      return shapes;
    } catch (const c10::Error&) {  // not for these arguments
    }
  }
  Stack shapes = changed(arguments, at::kCPU, [](const at::Tensor& t) {
    return t.defined() ? at::empty_strided(t.sizes(), t.strides(),
                                           t.options().device(at::kCPU).requires_grad(false))
                             .zero_()
                       : t;
  });
  call(op, shapes);
  return shapes;
}

at::Tensor like_on_device(const at::Tensor& shape) {
  if (!shape.defined()) return shape;
  return at::empty_strided(shape.sizes(), shape.strides(), shape.options().device(at::kCUDA));
}

void queue(std::function<void()> task, const std::string& name) {
  const auto stream = c10::cuda::getCurrentCUDAStream();
  count_call("operator", stream.stream());
  const cudaError_t error = add_task(stream.stream(), [task = std::move(task), name] {
    at::set_num_threads(1);
    count_work("operator");
    try {
      task();
    } catch (const std::exception& failure) {
      give_up(name + ": " + failure.what());
    }
  });
  TORCH_CHECK(error == cudaSuccess, "CUDA error: ", cudaGetErrorString(error));
}

// True if all that comes back is an argument that was written to, or nothing.
bool returns_arguments(const c10::FunctionSchema& schema) {
  return std::ranges::all_of(
      schema.returns(), [&](const c10::Argument& r) { return written_argument(schema, r) >= 0; });
}

// An out tensor without elements gets the size that the operator gives it.
void resize_outputs(const OperatorHandle& op, const Stack& arguments) {
  const c10::FunctionSchema& schema = op.schema();
  const auto is_empty_output = [&](std::size_t i) {
    return schema.arguments()[i].is_out() && arguments[i].isTensor() &&
           arguments[i].toTensor().numel() == 0;
  };
  bool any = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) any = any || is_empty_output(i);
  if (!any) return;
  const Stack shapes = find_shapes(op, arguments);
  for (std::size_t r = 0; r < shapes.size(); ++r) {
    const int i = written_argument(schema, schema.returns()[r]);
    if (i >= 0 && is_empty_output(static_cast<std::size_t>(i)))
      arguments[static_cast<std::size_t>(i)].toTensor().resize_(shapes[r].toTensor().sizes());
  }
}

void compute_at_once(const OperatorHandle& op, const Stack& arguments, Stack* stack) {
  c10::cuda::getCurrentCUDAStream().synchronize();
  Stack host = changed(arguments, at::kCPU, as_host);
  call(op, host);
  for (std::size_t r = 0; r < host.size(); ++r) {
    const int argument = written_argument(op.schema(), op.schema().returns()[r]);
    if (argument >= 0) {
      stack->push_back(arguments[static_cast<std::size_t>(argument)]);
      continue;
    }
    stack->push_back(changed(host[r], at::kCUDA, [](const at::Tensor& t) {
      if (!t.defined()) return t;
      const at::Tensor out = like_on_device(t);
      as_host(out).copy_(t);
      return out;
    }));
  }
}

// A number of the host's may stand beside tensors of the device, and indices may lie there; all
// else LibTorch refuses.
void check_devices(const OperatorHandle& op, const Stack& arguments) {
  const std::string& name = op.operator_name().name;
  if (name.find("index") != std::string::npos) return;
  const auto& declared = op.schema().arguments();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!arguments[i].isTensor()) continue;
    const at::Tensor& t = arguments[i].toTensor();
    if (!t.defined() || t.is_cuda()) continue;
    const c10::AliasInfo* alias = declared[i].alias_info();
    const bool is_written = alias != nullptr && alias->isWrite();
    TORCH_CHECK(t.dim() == 0 && !is_written, name,
                ": Expected all tensors to be on the same device, but \"", declared[i].name(),
                "\" is on ", t.device());
  }
}

void compute(const OperatorHandle& op, c10::DispatchKeySet, Stack* stack) {
  const c10::FunctionSchema& schema = op.schema();
  const std::size_t count = schema.arguments().size();
  const Stack arguments(stack->end() - static_cast<std::ptrdiff_t>(count), stack->end());
  stack->resize(stack->size() - count);
  check_devices(op, arguments);
  if (returns_arguments(schema)) {
    resize_outputs(op, arguments);
    queue(
        [op, host = changed(arguments, at::kCPU, as_host)] {
          Stack copy = host;
          call(op, copy);
        },
        op.operator_name().name);
    for (const c10::Argument& r : schema.returns())
      stack->push_back(arguments[static_cast<std::size_t>(written_argument(schema, r))]);
    return;
  }
  const bool tensors_only = std::ranges::all_of(schema.returns(), [](const c10::Argument& r) {
    return r.type()->isSubtypeOf(*c10::TensorType::get()) ||
           r.type()->isSubtypeOf(*c10::OptionalType::ofTensor());
  });
  if (!tensors_only || depends_on_values(full_name(op.operator_name()))) {
    compute_at_once(op, arguments, stack);
    return;
  }
  const Stack shapes = find_shapes(op, arguments);
  Stack outputs = changed(shapes, at::kCUDA, like_on_device);
  queue(
      [op, host = changed(arguments, at::kCPU, as_host),
       out = changed(outputs, at::kCPU, as_host)] {
        Stack results = host;
        call(op, results);
        for (std::size_t r = 0; r < results.size(); ++r) {
          if (results[r].isTensor() && out[r].toTensor().defined())
            out[r].toTensor().copy_(results[r].toTensor());
        }
      },
      op.operator_name().name);
  stack->insert(stack->end(), outputs.begin(), outputs.end());
}

// From one device tensor to another as any operator; from and to the host by LibTorch's own way,
// which copies through the runtime.
at::Tensor& copy(at::Tensor& self, const at::Tensor& source, bool non_blocking) {
  if (!self.is_cuda() || !source.is_cuda()) return at::native::copy_(self, source, non_blocking);
  queue(
      [to = as_host(self), from = as_host(source)] {
        const c10::NoGradGuard no_grad;
        const at::AutoDispatchBelowADInplaceOrView below_autograd;
        at::Tensor out = to;
        out.copy_(from);
      },
      "aten::copy_");
  return self;
}

// Operators that allocate, view, or copy through the runtime.
bool keeps_its_kernel(const OperatorHandle& op) {
  static const std::vector<std::string_view> kKept = {
      "aten::empty",          "aten::empty_strided", "aten::_local_scalar_dense",
      "aten::record_stream",  "aten::resize_",       "aten::set_",
      "aten::is_pinned",      "aten::_pin_memory",   "aten::copy_",
      "aten::view",           "aten::as_strided",    "aten::unfold",
      "aten::_reshape_alias", "aten::view_as_real",  "aten::view_as_complex"};
  const std::string& name = op.operator_name().name;
  if (std::ranges::find(kKept, name) != kKept.end()) return true;
  for (const std::string_view part : {"cudnn", "miopen", "quantize", "sparse", "nested"})
    if (name.find(part) != std::string::npos) return true;
  // Views.
  return std::ranges::any_of(op.schema().returns(), [](const c10::Argument& r) {
    return r.alias_info() != nullptr && !r.alias_info()->isWrite();
  });
}

torch::Library& library() {
  static torch::Library all(torch::Library::IMPL, "aten", c10::DispatchKey::CUDA, __FILE__,
                            __LINE__);
  return all;
}

// That LibTorch's own kernels are replaced is meant.
struct Quiet final : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

[[maybe_unused]] const bool registered = [] {
  Quiet quiet;
  const c10::WarningUtils::WarningHandlerGuard guard(&quiet);
  auto& dispatcher = c10::Dispatcher::singleton();
  for (const c10::OperatorName& name :
       dispatcher.getRegistrationsForDispatchKey(c10::DispatchKey::CUDA)) {
    if (name.name.rfind("aten::", 0) != 0) continue;
    const auto op = dispatcher.findSchema(name);
    if (!op || keeps_its_kernel(*op)) continue;
    library().impl(full_name(name).c_str(), torch::CppFunction::makeFromBoxedFunction<&compute>());
  }
  library().impl("aten::convolution", torch::CppFunction::makeFromBoxedFunction<&compute>());
  library().impl("aten::convolution_backward",
                 torch::CppFunction::makeFromBoxedFunction<&compute>());
  library().impl("aten::copy_", TORCH_FN(copy));
  return true;
}();

}  // namespace
}  // namespace valley::fake
