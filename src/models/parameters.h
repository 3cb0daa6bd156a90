// The trainable tensors of a network, each with its name and the rule that fills it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace valley {

// How a tensor starts. Every value is a function of (seed, the tensor's full name, the element's
// index): adding a layer or changing the number of ranks moves no other weight.
struct Initializer {
  enum class Kind { kZero, kUniform };
  Kind kind = Kind::kZero;
  double bound = 0;  // kUniform: values in [-bound, bound)

  static Initializer zero() { return {}; }
  // Glorot & Bengio 2010, equation 16: variance 2 / (fan_in + fan_out).
  static Initializer xavier_uniform(std::int64_t fan_in, std::int64_t fan_out);
};

struct Parameter {
  std::string name;  // within its network: "levels.0.conv1.weight"
  at::Tensor value;  // float, a leaf; everyone who holds it sees what is stored in it
  Initializer initializer;
};

// In order of declaration. Networks add to it while they are built and keep the handles that `add`
// returns.
class ParameterSet {
 public:
  // Tensors are made on `device`; on at::kMeta they have names and shapes but no memory.
  explicit ParameterSet(at::Device device = at::kCPU) : device_(device) {}
  at::Tensor add(const std::string& name, at::IntArrayRef shape, const Initializer& initializer);

  // Fills all tensors (wherever they live) as `prefix` + name and `seed` say, by Philox stream
  // kWeights.
  void initialize(std::uint64_t seed, const std::string& prefix) const;

  [[nodiscard]] const std::vector<Parameter>& all() const { return parameters_; }
  [[nodiscard]] std::int64_t count() const;  // numbers, all tensors together
  void require_grad(bool on) const;          // of every tensor: off freezes the network

 private:
  at::Device device_;
  std::vector<Parameter> parameters_;
};

}  // namespace valley
