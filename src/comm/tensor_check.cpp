#include "comm/tensor_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>

namespace valley {
namespace {

constexpr std::array kReducible = {at::kFloat, at::kDouble, at::kLong, at::kInt, at::kByte};

[[noreturn]] void refuse(const Communicator& communicator, const char* call,
                         const std::string& reason) {
  throw std::logic_error(fmt::format("{} {}: {}", communicator.name(), call, reason));
}

}  // namespace

void check_tensor(const Communicator& communicator, const char* call, const at::Tensor& tensor) {
  if (!tensor.defined()) refuse(communicator, call, "the tensor is undefined");
  if (tensor.device() != communicator.device()) {
    refuse(communicator, call,
           fmt::format("the tensor is on {}, the communicator on {}", tensor.device().str(),
                       communicator.device().str()));
  }
  if (!tensor.is_non_overlapping_and_dense()) {
    refuse(communicator, call, "the tensor is not dense in memory: call contiguous() first");
  }
}

void check_reducible(const Communicator& communicator, const char* call, const at::Tensor& tensor) {
  check_tensor(communicator, call, tensor);
  if (std::find(kReducible.begin(), kReducible.end(), tensor.scalar_type()) == kReducible.end()) {
    refuse(communicator, call,
           fmt::format("cannot reduce {}: only float32, float64, int64, int32 and uint8",
                       at::toString(tensor.scalar_type())));
  }
}

void check_tree(const Communicator& communicator, const at::Tensor& tensor) {
  check_reducible(communicator, "tree_reduce", tensor);
  if (!std::has_single_bit(static_cast<unsigned>(communicator.size()))) {
    refuse(communicator, "tree_reduce",
           fmt::format("the number of ranks, {}, is not a power of two", communicator.size()));
  }
}

void check_broadcast(const Communicator& communicator, const at::Tensor& tensor, int root) {
  check_tensor(communicator, "broadcast", tensor);
  if (root < 0 || root >= communicator.size()) {
    refuse(communicator, "broadcast",
           fmt::format("there is no rank {} among {}", root, communicator.size()));
  }
}

void check_gather(const Communicator& communicator, const at::Tensor& in, const at::Tensor& out) {
  check_tensor(communicator, "all_gather", in);
  check_tensor(communicator, "all_gather", out);
  if (!in.is_contiguous() || !out.is_contiguous()) {
    refuse(communicator, "all_gather", "both tensors must be contiguous");
  }
  if (in.scalar_type() != out.scalar_type()) {
    refuse(communicator, "all_gather",
           fmt::format("the types differ: {} and {}", at::toString(in.scalar_type()),
                       at::toString(out.scalar_type())));
  }
  if (out.dim() != in.dim() + 1 || out.size(0) != communicator.size() ||
      !out.sizes().slice(1).equals(in.sizes())) {
    refuse(communicator, "all_gather", "out must have the shape [size, ...shape of in]");
  }
}

}  // namespace valley
