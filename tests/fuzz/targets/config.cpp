// TOML of an experiment.
#include "core/config.h"

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "fuzz_input.h"

namespace valley::fuzz {
namespace {

struct Options {
  bool mirror = false;
  std::int64_t steps = 10;
  AutoInt batch;
  double lr = 0.1;
  std::string path;
  std::vector<std::int64_t> sizes{3, 2};

  void bind(Schema& schema) {
    schema.key("data.mirror", &mirror);
    schema.key("train.steps", &steps).min(1);
    schema.key("train.micro_batch", &batch).min(1);
    schema.key("optimizer.lr", &lr).above(0);
    schema.key("data.path", &path);
    schema.key("model.sizes", &sizes);
    schema.renamed("train.step_count", "train.steps");
  }
};

}  // namespace

// The resolved config of valid text loads again and is the same text.
void run(std::string_view input) {
  Options options;
  Schema schema;
  options.bind(schema);
  schema.load_text(std::string(input), "input.toml", {});
  const std::string resolved = schema.to_toml();
  Options again;
  Schema second;
  again.bind(second);
  second.load_text(resolved, "resolved.toml", {});
  VALLEY_CHECK(second.to_toml() == resolved);
}

}  // namespace valley::fuzz
