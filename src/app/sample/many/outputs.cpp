#include "app/sample/many/outputs.h"

#include <fmt/core.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "app/shard/ranks.h"
#include "core/error.h"
#include "core/file_type.h"
#include "core/json_text.h"
#include "core/little_endian.h"
#include "data/build_parameters.h"
#include "data/manifest.h"
#include "image/image_source.h"
#include "tools/npy_header.h"
#include "tools/zip_writer.h"

namespace valley::app {
namespace {

// Keeps the block of the last image, because images are read in order.
class RawReader final : public ImageReader {
 public:
  RawReader(const RawFiles& files, const SeedBlocks& blocks, const ImageSize& size)
      : files_(files), blocks_(blocks), size_(size) {}

  [[nodiscard]] std::variant<Image, Reject> load(std::uint64_t index) override {
    const std::uint64_t seed = blocks_.first + index;
    const std::uint64_t block = seed / blocks_.size;
    if (bytes_.empty() || block != block_) bytes_ = files_.read(block);
    block_ = block;
    Image image(size_.height, size_.width, size_.channels);
    const std::string_view pixels = std::string_view(bytes_).substr(
        (seed - blocks_.begin_of(block)) * size_.bytes(), size_.bytes());
    image.pixels.assign(pixels.begin(), pixels.end());
    return image;
  }

 private:
  const RawFiles& files_;
  SeedBlocks blocks_;
  ImageSize size_;
  std::uint64_t block_ = 0;
  std::string bytes_;
};

class RawImages final : public ImageSource {
 public:
  // Without `files` it can be described, but not read.
  RawImages(const RawFiles* files, const SeedBlocks& blocks, const ImageSize& size,
            const SampleSource& samples, std::string identity)
      : files_(files),
        blocks_(blocks),
        size_(size),
        samples_(samples),
        identity_(std::move(identity)) {}

  [[nodiscard]] std::uint64_t size() const override { return blocks_.count; }
  [[nodiscard]] std::string name(std::uint64_t index) const override {
    return PngFiles::name(blocks_.first + index);
  }
  [[nodiscard]] std::int64_t label(std::uint64_t index) const override {
    return samples_.label(blocks_.first + index);
  }
  [[nodiscard]] std::vector<std::string> class_names() const override { return {}; }
  [[nodiscard]] std::string identity_json() const override { return identity_; }
  [[nodiscard]] std::unique_ptr<ImageReader> open_reader() const override {
    VALLEY_CHECK(files_ != nullptr);
    return std::make_unique<RawReader>(*files_, blocks_, size_);
  }

 private:
  const RawFiles* files_;
  SeedBlocks blocks_;
  ImageSize size_;
  const SampleSource& samples_;
  std::string identity_;
};

BuildOptions make_options(const std::filesystem::path& directory, const ImageSize& size) {
  BuildOptions options;
  options.destination = directory;
  options.target.height = size.height;
  options.target.width = size.width;
  options.target.channels = size.channels;
  options.target.transform = Transform::kNone;
  options.shuffle_seed.reset();
  options.existing = Existing::kResume;
  return options;
}

void add_labels(ZipWriter& zip, const SeedBlocks& blocks, const SampleSource& samples) {
  std::string member = npy_header("<i8", {blocks.count});
  for (std::uint64_t i = 0; i < blocks.count; ++i)
    append_little_endian(member, static_cast<std::uint64_t>(samples.label(blocks.first + i)), 8);
  zip.add("arr_1.npy", member);
}

}  // namespace

void write_sample_npz(const std::filesystem::path& file, const RawFiles& files,
                      const SeedBlocks& blocks, const ImageSize& size,
                      const SampleSource& samples) {
  const auto side = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  const std::string header =
      npy_header("|u1", {blocks.count, side(size.height), side(size.width), side(size.channels)});
  ZipWriter zip(file);
  zip.begin("arr_0.npy", header.size() + blocks.count * size.bytes());
  zip.write(as_bytes(header));
  for (std::uint64_t i = 0; i < blocks.blocks(); ++i)
    zip.write(as_bytes(files.read(blocks.first_block() + i)));
  zip.end();
  if (samples.label(blocks.first) >= 0) add_labels(zip, blocks, samples);
  zip.commit();
}

void build_sample_shards(World& world, const std::filesystem::path& directory,
                         const RawFiles& files, const SeedBlocks& blocks, const ImageSize& size,
                         const SampleSource& samples, const std::string& identity, int threads) {
  BuildOptions options = make_options(directory, size);
  options.jobs = static_cast<unsigned>(threads);
  const RawImages source(&files, blocks, size, samples, identity);
  static_cast<void>(build_on(world.size() > 1 ? &world : nullptr, source, options));
}

bool has_sample_shards(const std::filesystem::path& directory, const SeedBlocks& blocks,
                       const ImageSize& size, const SampleSource& samples,
                       const std::string& identity) {
  check_destination(directory, Existing::kResume);
  if (!is_there(directory / kManifestFile, true)) return false;
  const Manifest manifest = read_manifest(directory);
  const nlohmann::json before = parse_json(manifest.parameters_json, directory.string());
  const std::string differences =
      describe_differences(before.value("source", nlohmann::json::object()),
                           parse_json(identity, "the description of the samples"));
  if (!differences.empty())
    throw Error(ExitCode::kCannotWrite,
                "{} holds a data set of other images, so it cannot be continued:{}\nChoose another "
                "folder, or remove this one",
                directory.string(), differences);
  const std::string now = build_parameters(RawImages(nullptr, blocks, size, samples, identity),
                                           make_options(directory, size));
  require_same_parameters(manifest.parameters_json, now, directory.string());
  return manifest.complete;
}

}  // namespace valley::app
