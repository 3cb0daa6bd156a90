// The tensors of a network: trained parameters and buffers, each with its name and initializer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace valley {

// Initial values of a tensor. Each value is a function of (seed, the tensor's full name, element
// index), so that adding a layer or changing the number of ranks changes no other weight.
struct Initializer {
  enum class Kind { kConstant, kUniform, kNormal };
  Kind kind = Kind::kConstant;
  // kConstant: the value; kUniform: in [-value, value); kNormal: the standard deviation.
  double value = 0;

  static Initializer zero() { return {}; }
  static Initializer constant(double value) { return {Kind::kConstant, value}; }
  static Initializer uniform(double bound) { return {Kind::kUniform, bound}; }
  static Initializer normal(double deviation) { return {Kind::kNormal, deviation}; }
  // Glorot & Bengio 2010, equation 16: variance 2 / (fan_in + fan_out).
  static Initializer xavier_uniform(std::int64_t fan_in, std::int64_t fan_out);
  // He, Zhang, Ren, Sun 2015, equation 10: normal, variance 2 / fan_in.
  static Initializer he_normal(std::int64_t fan_in);
};

struct Parameter {
  std::string name;  // within its network: "levels.0.conv1.weight"
  at::Tensor value;  // float, an autograd leaf; its handles share the storage
  Initializer initializer;
  // bf16 copy of `value` with the same shape and strides, which the optimizer updates; undefined if
  // there is none. Shared with the parameter's layer.
  std::shared_ptr<at::Tensor> bf16_copy = std::make_shared<at::Tensor>();
  // Function of `value` (float to float) that the layer uses in each forward pass, see
  // ParameterSet::derive; empty: none.
  std::function<at::Tensor(const at::Tensor&)> derived_of = {};
  // Its result in the compute type, updated like `bf16_copy`.
  std::shared_ptr<at::Tensor> derived = std::make_shared<at::Tensor>();
};

// A parameter in the type of the multiplication: `value` for float; for bfloat16 `bf16_copy` if
// defined, else a new copy. Gradients go to `value`, in float.
[[nodiscard]] at::Tensor in_type(const at::Tensor& value, const at::Tensor& bf16_copy,
                                 at::ScalarType type);

// Tensors that are saved with the parameters but not trained. Forward passes do not change them;
// they change once per step, equally on all ranks.
struct Buffer {
  enum class Kind {
    kStatistic,  // a running mean: forward passes add differences from it to .grad, which is
                 // reduced over all ranks with the gradients (see BatchNorm2d)
    kDerived,    // a function of parameters and the step: Network::end_step sets it
  };
  std::string name;
  at::Tensor value;  // float
  Initializer initializer;
  Kind kind = Kind::kStatistic;
};

// Adds weight * (moment - running) to the gradient of `running`, a buffer of kind kStatistic; the
// reduction averages these differences over all ranks. `moment` has the shape of `running`.
void add_statistic(const at::Tensor& running, const at::Tensor& moment, double weight);

// Parameters and buffers in order of declaration. Constructors of layers add them and keep the
// returned handles.
class ParameterSet {
 public:
  // Allocates tensors on `device`; on at::kMeta they have names and shapes but no memory.
  explicit ParameterSet(at::Device device = at::kCPU) : device_(device) {}
  at::Tensor add(const std::string& name, at::IntArrayRef shape, const Initializer& initializer);
  // The bf16 copy of a parameter that was added before.
  [[nodiscard]] std::shared_ptr<const at::Tensor> bf16_copy(const std::string& name) const;
  // Registers a function of a parameter that was added before. During training the returned tensor
  // is the result after the last update; otherwise it is undefined.
  std::shared_ptr<const at::Tensor> derive(const std::string& name,
                                           std::function<at::Tensor(const at::Tensor&)> derived_of);
  at::Tensor add_buffer(const std::string& name, at::IntArrayRef shape,
                        const Initializer& initializer, Buffer::Kind kind);

  // Fills all tensors, on any device, as functions of `prefix` + name and `seed`, from Philox
  // streams kWeights and kBuffers.
  void initialize(std::uint64_t seed, const std::string& prefix) const;

  [[nodiscard]] const std::vector<Parameter>& all() const { return parameters_; }
  [[nodiscard]] const std::vector<Buffer>& buffers() const { return buffers_; }
  [[nodiscard]] std::int64_t count() const;  // elements of all parameters
  void require_grad(bool on) const;          // for all parameters; false freezes the network

 private:
  void require_new(const std::string& name) const;
  [[nodiscard]] std::size_t index_of(const std::string& name) const;
  at::Device device_;
  std::vector<Parameter> parameters_;
  std::vector<Buffer> buffers_;
};

}  // namespace valley
