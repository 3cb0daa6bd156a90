#include "evaluate/image_energies.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "evaluate/team_of_one.h"

namespace valley {
namespace {

// Image i is filled with i.
class Counted final : public LabeledImages {
 public:
  explicit Counted(std::uint64_t n) : n_(n) {}
  [[nodiscard]] std::uint64_t size() const override { return n_; }
  [[nodiscard]] const ImageShape& shape() const override { return shape_; }
  [[nodiscard]] std::uint64_t index(std::uint64_t i) const override { return 1000 + i; }
  [[nodiscard]] std::string name(std::uint64_t i) const override {
    return "image-" + std::to_string(i);
  }
  [[nodiscard]] std::int64_t label(std::uint64_t) const override { return -1; }
  [[nodiscard]] const std::vector<std::string>& class_names() const override { return names_; }
  [[nodiscard]] std::string fingerprint() const override { return ""; }
  void read(std::uint64_t i, std::span<std::uint8_t> pixels) const override {
    for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(i);
  }

 private:
  std::uint64_t n_;
  ImageShape shape_{2, 2, 3};
  std::vector<std::string> names_;
};

class Brightness final : public ImageEnergy {
 public:
  [[nodiscard]] at::Tensor energy(const at::Tensor& images) const override {
    EXPECT_LE(images.size(0), kBlockImages);
    EXPECT_EQ(images.sizes().slice(1), (at::IntArrayRef{3, 2, 2}));
    EXPECT_EQ(at::get_num_threads(), 1);
    return images.mean({1, 2, 3}) * 255;
  }
  [[nodiscard]] std::string describe() const override { return "brightness"; }
  [[nodiscard]] bool is_density() const override { return false; }
};

TEST(ImageEnergies, KeepImageOrderOnAnyNumberOfThreads) {
  for (const int threads : {1, 3}) {
    for (const std::uint64_t n : {1U, 32U, 33U, 200U}) {
      const TeamOfOne one(threads);
      const at::Tensor energies = image_energies(one.team, "e", Brightness(), Counted(n));
      ASSERT_EQ(energies.sizes(), (at::IntArrayRef{static_cast<std::int64_t>(n)}));
      EXPECT_EQ(energies.scalar_type(), at::kFloat);
      for (std::uint64_t i = 0; i < n; ++i)
        EXPECT_NEAR(energies[static_cast<std::int64_t>(i)].item<float>(), static_cast<float>(i),
                    1e-4);
    }
  }
}

TEST(ImageEnergies, ValuesThatAreNotFiniteAreCountedAndNamed) {
  const at::Tensor energies = at::zeros({5});
  require_finite_energies(energies, Counted(5), "a.safetensors");
  energies[2].fill_(std::numeric_limits<float>::infinity());
  energies[4].fill_(std::nan(""));
  try {
    require_finite_energies(energies, Counted(5), "a.safetensors");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    for (const char* part : {"a.safetensors", "2 of 5", "image-2", "1002", "inf"})
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace valley
