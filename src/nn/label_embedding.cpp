#include "nn/label_embedding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <fmt/core.h>

namespace valley {

Initializer initial_embedding(const ModelOptions& options) {
  return options.latent_distribution == "normal" ? Initializer::normal(1) : Initializer::uniform(1);
}

LabelEmbedding::LabelEmbedding(ParameterSet& set, const std::string& name, std::int64_t labels,
                               std::int64_t size, const Initializer& initializer)
    : name_(name), table_(set.add(name, {labels, size}, initializer)) {}

// A product with one-hot rows instead of a lookup, whose backward pass on GPUs is not
// deterministic. Exact: each sum has one term that is not 0.
at::Tensor LabelEmbedding::operator()(const at::Tensor& classes) const {
  return at::mm(classes, table_);
}

at::Tensor LabelEmbedding::channels(const at::Tensor& classes) const {
  return (*this)(classes).unsqueeze(2).unsqueeze(3);
}

LayerInfo LabelEmbedding::info() const {
  return {name_, fmt::format("[{}]", table_.size(1)), table_.numel(), table_.size(1),
          table_.numel()};
}

LabelMaps::LabelMaps(ParameterSet& set, const std::string& name, const Shape& shape,
                     const Initializer& embedding, const Initializer& projection)
    : name_(name),
      shape_(shape),
      embedding_(set, name + ".embedding", shape.labels, shape.size, embedding),
      projection_(set.add(name + ".projection", {shape.size, shape.maps * shape.side * shape.side},
                          projection)) {}

at::Tensor LabelMaps::operator()(const at::Tensor& classes) const {
  return at::mm(embedding_(classes), projection_)
      .view({classes.size(0), shape_.maps, shape_.side, shape_.side})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

void LabelMaps::describe(std::vector<LayerInfo>& table) const {
  table.push_back(embedding_.info());
  table.push_back({name_ + ".projection",
                   fmt::format("[{}, {}, {}]", shape_.maps, shape_.side, shape_.side),
                   projection_.numel(), projection_.size(1), projection_.numel()});
}

at::Tensor shifted(const at::Tensor& y, const at::Tensor& shift) {
  return shift.defined() ? y + shift.to(y.scalar_type()) : y;
}

}  // namespace valley
