#include "models/began.h"

#include <ATen/ops/cat.h>
#include <fmt/core.h>

#include <bit>
#include <optional>

#include "core/error.h"

namespace valley {
namespace {

constexpr std::int64_t kBase = 8;  // pixels of the smallest feature map
constexpr std::int64_t kLowest = 16;
constexpr std::int64_t kHighest = 512;

std::int64_t levels_of(std::int64_t resolution) {
  return std::countr_zero(static_cast<std::uint64_t>(resolution)) - 2;
}

class Decoder {
 public:
  Decoder(ParameterSet& set, const std::string& prefix, const ModelOptions& o, std::int64_t inputs)
      : width_(o.width),
        skips_(o.skip_connections),
        linear_(set, prefix + "linear", inputs, kBase * kBase * o.width),
        levels_(make_levels(set, prefix, o)),
        output_(set, prefix + "output", o.width, o.channels) {}

  [[nodiscard]] at::Tensor operator()(const at::Tensor& h) const {
    const at::Tensor h0 = linear_(h)
                              .view({h.size(0), width_, kBase, kBase})
                              .contiguous(at::MemoryFormat::ChannelsLast);
    at::Tensor x = h0;
    for (std::size_t l = 0; l < levels_.size(); ++l) {
      if (l > 0) x = widen(upsample_nearest(x, 2), h0, std::int64_t{1} << l);
      x = apply_elu(levels_[l].conv0(x));
      x = apply_elu(levels_[l].conv1(x));
    }
    return output_(x);
  }

  void describe(std::vector<LayerInfo>& table) const {
    table.push_back(linear_.info());
    std::int64_t size = kBase;
    for (std::size_t l = 0; l < levels_.size(); ++l) {
      if (l > 0) {
        size *= 2;
        const std::int64_t channels = skips_ ? 2 * width_ : width_;
        table.push_back({fmt::format("upsample{}", skips_ ? ", concatenate h0" : ""),
                         fmt::format("[{}, {}, {}]", channels, size, size), 0,
                         channels * size * size, 0});
      }
      table.push_back(levels_[l].conv0.info(size, true));
      table.push_back(levels_[l].conv1.info(size, true));
    }
    table.push_back(output_.info(size, false));
  }

 private:
  struct Level {
    Conv3x3 conv0, conv1;
  };

  static std::vector<Level> make_levels(ParameterSet& set, const std::string& prefix,
                                        const ModelOptions& o) {
    std::vector<Level> levels;
    for (std::int64_t l = 0; l < levels_of(o.resolution); ++l) {
      const std::string name = fmt::format("{}levels.{}.", prefix, l);
      const std::int64_t in = l > 0 && o.skip_connections ? 2 * o.width : o.width;
      // Named one after the other: the order of evaluation inside braces is the order of
      // declaration in files.
      Conv3x3 conv0(set, name + "conv0", in, o.width);
      Conv3x3 conv1(set, name + "conv1", o.width, o.width);
      levels.push_back({std::move(conv0), std::move(conv1)});
    }
    return levels;
  }

  [[nodiscard]] at::Tensor widen(const at::Tensor& x, const at::Tensor& h0,
                                 std::int64_t factor) const {
    return skips_ ? at::cat({x, upsample_nearest(h0, factor)}, 1) : x;
  }

  std::int64_t width_;
  bool skips_;
  Linear linear_;
  std::vector<Level> levels_;
  Conv3x3 output_;
};

class Encoder {
 public:
  Encoder(ParameterSet& set, const std::string& prefix, const ModelOptions& o)
      : resolution_(o.resolution),
        input_(set, prefix + "input", o.channels, o.width),
        levels_(make_levels(set, prefix, o)),
        linear_(set, prefix + "linear", kBase * kBase * levels_of(o.resolution) * o.width,
                o.hidden) {}

  [[nodiscard]] at::Tensor operator()(const at::Tensor& image) const {
    at::Tensor x = apply_elu(input_(image));
    for (const Level& level : levels_) {
      x = apply_elu(level.conv0(x));
      x = apply_elu(level.conv1(x));
      if (level.down) x = apply_elu((*level.down)(x));
    }
    return linear_(x.flatten(1));
  }

  void describe(std::vector<LayerInfo>& table) const {
    std::int64_t size = resolution_;
    table.push_back(input_.info(size, true));
    for (const Level& level : levels_) {
      table.push_back(level.conv0.info(size, true));
      size /= level.conv1.stride();
      table.push_back(level.conv1.info(size, true));
      if (!level.down) continue;
      size /= level.down->stride();
      table.push_back(level.down->info(size, true));
    }
    table.push_back(linear_.info());
  }

 private:
  struct Level {
    Conv3x3 conv0, conv1;
    std::optional<Conv3x3> down;
  };

  static std::vector<Level> make_levels(ParameterSet& set, const std::string& prefix,
                                        const ModelOptions& o) {
    const std::int64_t count = levels_of(o.resolution);
    const bool extra = o.downsample == "extra";
    std::vector<Level> levels;
    for (std::int64_t l = 0; l < count; ++l) {
      const std::string name = fmt::format("{}levels.{}.", prefix, l);
      const std::int64_t width = o.width * (l + 1);
      const bool last = l + 1 == count;
      Conv3x3 conv0(set, name + "conv0", l == 0 ? o.width : o.width * l, width);
      Conv3x3 conv1(set, name + "conv1", width, width, last || extra ? 1 : 2);
      std::optional<Conv3x3> down;
      if (extra && !last) down.emplace(set, name + "down", width, width, 2);
      levels.push_back({std::move(conv0), std::move(conv1), std::move(down)});
    }
    return levels;
  }

  std::int64_t resolution_;
  Conv3x3 input_;
  std::vector<Level> levels_;
  Linear linear_;
};

class BeganGenerator : public Generator {
 public:
  BeganGenerator(const ModelOptions& o, at::Device device)
      : Generator(device), decoder_(parameters_, "", o, o.latent) {}
  [[nodiscard]] at::Tensor generate(const at::Tensor& z) const override { return decoder_(z); }
  [[nodiscard]] std::vector<LayerInfo> layers() const override {
    std::vector<LayerInfo> table;
    decoder_.describe(table);
    return table;
  }

 private:
  Decoder decoder_;
};

class BeganDiscriminator : public Autoencoder {
 public:
  BeganDiscriminator(const ModelOptions& o, at::Device device)
      : Autoencoder(device),
        encoder_(parameters_, "encoder.", o),
        decoder_(parameters_, "decoder.", o, o.hidden) {}
  [[nodiscard]] at::Tensor encode(const at::Tensor& x) const override { return encoder_(x); }
  [[nodiscard]] at::Tensor decode(const at::Tensor& h) const override { return decoder_(h); }
  [[nodiscard]] std::vector<LayerInfo> layers() const override {
    std::vector<LayerInfo> table;
    encoder_.describe(table);
    decoder_.describe(table);
    return table;
  }

 private:
  Encoder encoder_;
  Decoder decoder_;
};

void check_units(const char* key, std::int64_t value) {
  if (value < 1 || value > kMostUnits)
    throw Error(ExitCode::kConfig, "{} is {}; it can be from 1 to {}", key, value, kMostUnits);
}

void check(const ModelOptions& o) {
  if (!std::has_single_bit(static_cast<std::uint64_t>(o.resolution)) || o.resolution < kLowest ||
      o.resolution > kHighest) {
    throw Error(ExitCode::kConfig,
                "model.resolution is {}; the networks of began need a power of two from {} to {}",
                o.resolution, kLowest, kHighest);
  }
  if (o.channels != 1 && o.channels != 3) {
    throw Error(ExitCode::kConfig, "model.channels is {}; images have 1 (gray) or 3 (RGB)",
                o.channels);
  }
  check_units("model.width", o.width);
  check_units("model.latent", o.latent);
  check_units("model.hidden", o.hidden);
  if (o.downsample != "strided" && o.downsample != "extra") {
    throw Error(ExitCode::kConfig, "model.downsample is \"{}\"; it can be \"strided\" or \"extra\"",
                o.downsample);
  }
}

}  // namespace

std::unique_ptr<Model> make_began(const ModelOptions& options, at::Device device) {
  check(options);
  return std::make_unique<AutoencoderGan>(std::make_unique<BeganGenerator>(options, device),
                                          std::make_unique<BeganDiscriminator>(options, device),
                                          options);
}

}  // namespace valley
