// The tensors of a network: those that are trained, and those that it keeps besides (buffers), each
// with its name and the rule that fills it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace valley {

// How a tensor starts. Every value is a function of (seed, the tensor's full name, the element's
// index): adding a layer or changing the number of ranks moves no other weight.
struct Initializer {
  enum class Kind { kConstant, kUniform, kNormal };
  Kind kind = Kind::kConstant;
  double value = 0;  // kConstant: the value; kUniform: in [-value, value); kNormal: the deviation

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
  at::Tensor value;  // float, a leaf; everyone who holds it sees what is stored in it
  Initializer initializer;
  // A copy of value in bfloat16, of its shape and strides, that who trains the network keeps up to
  // date; undefined where nobody does. Shared with the layer that `value` belongs to.
  std::shared_ptr<at::Tensor> shadow = std::make_shared<at::Tensor>();
  // Function of `value` that its layer needs in each forward pass (float to float), see
  // ParameterSet::derive; empty: none.
  std::function<at::Tensor(const at::Tensor&)> derived_of = {};
  // Its result in the compute type, kept up to date like `shadow`.
  std::shared_ptr<at::Tensor> derived = std::make_shared<at::Tensor>();
};

// A parameter as a layer multiplies with it: `value` itself in float; in bfloat16 the shadow where
// there is one, else a copy made now. Gradients arrive at `value`, in float.
[[nodiscard]] at::Tensor in_type(const at::Tensor& value, const at::Tensor& shadow,
                                 at::ScalarType type);

// What a network keeps beside its parameters; saved with them. A forward pass never changes one:
// they move once a step, alike on all ranks.
struct Buffer {
  enum class Kind {
    kStatistic,  // a running mean: passes add their differences from it to .grad, which is reduced
                 // over all ranks with the gradients (see BatchNorm)
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

// In order of declaration. Networks add to it while they are built and keep the handles that `add`
// returns.
class ParameterSet {
 public:
  // Tensors are made on `device`; on at::kMeta they have names and shapes but no memory.
  explicit ParameterSet(at::Device device = at::kCPU) : device_(device) {}
  at::Tensor add(const std::string& name, at::IntArrayRef shape, const Initializer& initializer);
  // The shadow of a parameter that was added before.
  [[nodiscard]] std::shared_ptr<const at::Tensor> shadow(const std::string& name) const;
  // Registers a function of a parameter that was added before. While the network is trained the
  // returned tensor is its result after the last update; otherwise it is undefined.
  std::shared_ptr<const at::Tensor> derive(const std::string& name,
                                           std::function<at::Tensor(const at::Tensor&)> derived_of);
  at::Tensor add_buffer(const std::string& name, at::IntArrayRef shape,
                        const Initializer& initializer, Buffer::Kind kind);

  // Fills all tensors (wherever they live) as `prefix` + name and `seed` say, by Philox streams
  // kWeights and kBuffers.
  void initialize(std::uint64_t seed, const std::string& prefix) const;

  [[nodiscard]] const std::vector<Parameter>& all() const { return parameters_; }
  [[nodiscard]] const std::vector<Buffer>& buffers() const { return buffers_; }
  [[nodiscard]] std::int64_t count() const;  // numbers of all parameters together
  void require_grad(bool on) const;          // of every parameter: off freezes the network

 private:
  void require_new(const std::string& name) const;
  [[nodiscard]] std::size_t index_of(const std::string& name) const;
  at::Device device_;
  std::vector<Parameter> parameters_;
  std::vector<Buffer> buffers_;
};

}  // namespace valley
